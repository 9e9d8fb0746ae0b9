//! The core device as a file describes it.

use super::{Layer, set, table};
use crate::scenario::{Device, Error};
use std::net::Ipv4Addr;
use toml::Spanned;

impl Layer<'_> {
    pub(super) fn apply_device(&self, table: table::Device, device: &mut Device) -> Result<(), Error> {
        if let Some(core) = table.core {
            let unknown = |_| format!("the core `{}` is not known", core.get_ref());
            let hint = "use `emulated`, `lite` or `classic`";
            let known = core.get_ref().parse().map_err(unknown);
            device.core = known.map_err(|message| self.error(Some(core.span()), message, hint))?;
        }
        set(&mut device.own.system, table.system);
        self.apply_own(table.apt, table.image, &mut device.own)?;
        device.thing = table.thing.or(device.thing.take());
        set(&mut device.pep668, table.pep668);
        set(&mut device.trust_ca, table.trust_ca);
        if let Some(address) = table.public_address {
            device.public_address = self.public_address(&address)?;
        }
        if let Some(clock) = table.clock {
            if !(0.001..=100_000.0).contains(clock.get_ref()) {
                let message = format!("`{}` is no speed of the clock", clock.get_ref());
                return Err(self.error(Some(clock.span()), message, "use a number from 0.001 to 100000"));
            }
            device.clock = clock.into_inner();
        }
        set(&mut device.timing, table.timing);
        set(&mut device.cli, table.cli);
        let nucleus = table.nucleus.map(serde_json::to_value).transpose();
        set(&mut device.nucleus, nucleus.map_err(|error| self.error(None, error.to_string(), "use plain values"))?);
        Ok(())
    }

    fn public_address(&self, address: &Spanned<String>) -> Result<Ipv4Addr, Error> {
        address.get_ref().parse().ok().filter(|address| is_public(*address)).ok_or_else(|| {
            let message = format!("`{}` is no public IPv4 address", address.get_ref());
            self.error(Some(address.span()), message, "state the one from which the site's calls reach AWS")
        })
    }
}

/// Whether it may be the address of a site on the Internet, or one for documentation. 100.64.0.0/10 is a provider's own
/// (RFC 6598), such as a mobile router shows as its outer one.
fn is_public(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let of_provider = first == 100 && (64..128).contains(&second);
    let special = address.is_private() || address.is_loopback() || address.is_link_local() || of_provider;
    !special && (1..224).contains(&first)
}

#[cfg(test)]
mod tests {
    use crate::scenario::{Scenario, file::tests::of_reference};

    fn loaded(address: &str) -> Result<Scenario, String> {
        of_reference("device.toml", &format!("[device]\npublic_address = {address:?}\n"))
    }

    #[test]
    fn aws_sees_a_public_address() {
        fidelity::fidelity!("account-5");
        assert_eq!(loaded("198.51.100.7").unwrap().device.public_address.octets(), [198, 51, 100, 7]);
        assert!(["100.63.0.1", "100.128.0.1", "223.0.0.1"].iter().all(|address| loaded(address).is_ok()));
        for address in [
            "10.0.0.7",
            "100.64.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.0.1",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "198.51.100",
            "::1",
        ] {
            let error = loaded(address).unwrap_err();
            assert!(error.contains(&format!("device.toml:3:18: `{address}` is no public IPv4 address")), "{error}");
            assert!(error.ends_with("; state the one from which the site's calls reach AWS"), "{error}");
        }
    }
}
