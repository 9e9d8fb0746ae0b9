//! The user and group that a component runs as, from the machine's own tables.

use std::fs;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// The user and group of a component's scripts, as they were written: names or numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunAs {
    pub(crate) user: String,
    pub(crate) group: String,
}

/// Why there is nobody to run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Nobody {
    /// Nothing says who.
    Unset,
    /// This user doesn't exist.
    Unknown(String),
    /// This user has no primary group.
    NoGroup(String),
}

/// Who the core itself is.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    uid: String,
    gid: String,
    name: String,
    group: String,
}

impl RunAs {
    /// Who runs a component: whom the deployment names, else the nucleus's configuration; the core itself if it is not root.
    ///
    /// # Errors
    /// If nothing says who, or the one that is named is unknown.
    pub(crate) fn of(named: Option<&str>, default: Option<&str>, own: &Own) -> Result<Self, Nobody> {
        match named.or(default) {
            Some(user) => Self::resolve(user),
            None if own.is_root() => Err(Nobody::Unset),
            None => Ok(own.run_as()),
        }
    }

    /// Reads `user`, `user:group` or numbers; a missing group is the user's primary one.
    ///
    /// # Errors
    /// If the group is missing and the user unknown. A user with a group isn't looked up.
    pub(crate) fn resolve(spec: &str) -> Result<Self, Nobody> {
        Self::resolve_in(spec, &fs::read_to_string(PASSWD).unwrap_or_default())
    }

    fn resolve_in(spec: &str, passwd: &str) -> Result<Self, Nobody> {
        let (user, group) = match spec.split_once(':') {
            Some((user, group)) if !user.is_empty() => (user, group),
            _ => (spec, ""),
        };
        if !group.is_empty() {
            return Ok(Self { user: user.into(), group: group.into() });
        }
        match fields(passwd, user, 3) {
            Some(group) => Ok(Self { user: user.into(), group }),
            None if numeric(user) => Err(Nobody::NoGroup(user.into())),
            None => Err(Nobody::Unknown(user.into())),
        }
    }

    /// The numeric ids.
    ///
    /// # Errors
    /// The name that the machine doesn't know.
    pub(crate) fn ids(&self) -> Result<(u32, u32), &str> {
        let number = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            fields(&text, name, 2).unwrap_or_else(|| name.to_owned()).parse().ok()
        };
        let uid = number(PASSWD, &self.user).ok_or(self.user.as_str())?;
        let gid = number(GROUP, &self.group).ok_or(self.group.as_str())?;
        Ok((uid, gid))
    }
}

impl Own {
    /// Looks up who the core is.
    pub(crate) fn new(uid: u32, gid: u32) -> Self {
        let (uid, gid) = (uid.to_string(), gid.to_string());
        let name = |file: &str, id: &str| fields(&fs::read_to_string(file).unwrap_or_default(), id, 0);
        Self {
            name: name(PASSWD, &uid).unwrap_or_else(|| uid.clone()),
            group: name(GROUP, &gid).unwrap_or_else(|| gid.clone()),
            uid,
            gid,
        }
    }

    /// Whether the core is root.
    fn is_root(&self) -> bool {
        self.uid == "0"
    }

    /// The core's own user and group, which run a component of a core that isn't root.
    fn run_as(&self) -> RunAs {
        RunAs { user: self.name.clone(), group: self.gid.clone() }
    }

    /// Who runs what requires privilege: the core's own user, and the group that is called like it.
    pub(crate) fn privileged(&self) -> RunAs {
        RunAs { user: self.name.clone(), group: self.name.clone() }
    }

    /// What a command is put behind so that it runs as `run_as`; nothing if that is the core itself.
    pub(crate) fn sudo(&self, run_as: &RunAs) -> Vec<String> {
        let user = [&self.name, &self.uid].contains(&&run_as.user);
        if user && [&self.gid, &self.group].contains(&&run_as.group) {
            return Vec::new();
        }
        let named = |name: &str| if numeric(name) { format!("#{name}") } else { name.into() };
        let (user, group) = (named(&run_as.user), named(&run_as.group));
        ["sudo", "-n", "-E", "-H", "-u", &user, "-g", &group, "--"].map(Into::into).into()
    }
}

/// A field of the entry whose name or number is `key`.
fn fields(table: &str, key: &str, field: usize) -> Option<String> {
    let entries = table.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut known = entries.filter(|entry| entry.len() > 2 && (entry[0] == key || (numeric(key) && entry[2] == key)));
    known.next()?.get(field).map(|text| (*text).to_owned())
}

fn numeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fidelity::fidelity;

    const TABLE: &str = "root:x:0:0:root:/root:/bin/sh\nggc_user:x:998:997::/home/ggc_user:/bin/sh\n";

    fn resolved(spec: &str) -> Result<(String, String), Nobody> {
        RunAs::resolve_in(spec, TABLE).map(|run_as| (run_as.user, run_as.group))
    }

    #[test]
    fn users() {
        fidelity!("core-exec-2");
        let run = |user: &str, group: &str| Ok((user.to_owned(), group.to_owned()));
        assert_eq!(resolved("ggc_user:ggc_group"), run("ggc_user", "ggc_group"));
        assert_eq!(resolved("ggc_user"), run("ggc_user", "997"));
        assert_eq!(resolved("ggc_user:"), run("ggc_user", "997"));
        assert_eq!(resolved("998:996"), run("998", "996"));
        assert_eq!(resolved("998"), run("998", "997"));
    }

    #[test]
    fn only_a_user_without_a_group_is_looked_up() {
        fidelity!("core-exec-2");
        assert_eq!(resolved("stranger:strangers"), Ok(("stranger".into(), "strangers".into())));
        assert_eq!(resolved("stranger"), Err(Nobody::Unknown("stranger".into())));
        assert_eq!(resolved("4242"), Err(Nobody::NoGroup("4242".into())));
        let strangers = RunAs { user: "root".into(), group: "no-such-group".into() };
        assert_eq!(strangers.ids(), Err("no-such-group"));
    }

    #[test]
    fn sudo_is_for_others() {
        fidelity!("core-exec-1", "core-exec-2");
        let own = Own { uid: "0".into(), gid: "0".into(), name: "root".into(), group: "wheel".into() };
        let sudo = |user: &str, group: &str| own.sudo(&RunAs { user: user.into(), group: group.into() }).join(" ");
        assert_eq!(sudo("ggc_user", "ggc_group"), "sudo -n -E -H -u ggc_user -g ggc_group --");
        assert_eq!(sudo("998", "997"), "sudo -n -E -H -u #998 -g #997 --");
        assert_eq!(sudo("root", "0"), "");
        assert_eq!(sudo("0", "wheel"), "");
        // Root's group is called otherwise here, so even privilege goes through sudo.
        assert_eq!(sudo(&own.privileged().user, &own.privileged().group), "sudo -n -E -H -u root -g root --");
    }
}
