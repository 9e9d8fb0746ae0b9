//! The user and group that a component runs as, from the machine's own tables.

use std::fs;

/// A resolved user and group; names are kept as they go to sudo (`#1000` for numbers).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunAs {
    pub(crate) user: String,
    pub(crate) group: String,
    /// Numeric ids, if both are known to the machine.
    pub(crate) ids: Option<(u32, u32)>,
}

/// Resolves `user`, `user:group` or numbers. `None` if a user without a group is unknown.
pub(crate) fn resolve(spec: &str) -> Option<RunAs> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let group = fs::read_to_string("/etc/group").unwrap_or_default();
    resolve_in(spec, &passwd, &group)
}

fn resolve_in(spec: &str, passwd: &str, groups: &str) -> Option<RunAs> {
    let (user, group) = match spec.split_once(':') {
        Some((user, group)) if !group.is_empty() => (user, Some(group)),
        Some((user, _)) => (user, None),
        None => (spec, None),
    };
    let entry = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() > 3 && (fields[0] == user || (numeric(user) && fields[2] == user)));
    let number = |text: &str| text.parse::<u32>().ok();
    let uid = entry.as_ref().and_then(|fields| number(fields[2])).or_else(|| number(user));
    let Some(group) = group else {
        let gid = entry.and_then(|fields| number(fields[3]))?;
        return Some(RunAs { user: named(user), group: format!("#{gid}"), ids: uid.map(|uid| (uid, gid)) });
    };
    let gid = groups
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() > 2 && fields[0] == group)
        .and_then(|fields| number(fields[2]))
        .or_else(|| number(group));
    Some(RunAs { user: named(user), group: named(group), ids: uid.zip(gid) })
}

fn named(name: &str) -> String {
    if numeric(name) { format!("#{name}") } else { name.into() }
}

fn numeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    // [core-exec-2]
    #[test]
    fn users() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nggc_user:x:998:997::/home/ggc_user:/bin/sh\n";
        let group = "root:x:0:\nggc_group:x:996:ggc_user\n";
        let of = |spec| resolve_in(spec, passwd, group).map(|run| (run.user, run.group, run.ids));
        let run = |user: &str, group: &str, ids| Some((user.to_owned(), group.to_owned(), ids));
        assert_eq!(of("ggc_user:ggc_group"), run("ggc_user", "ggc_group", Some((998, 996))));
        assert_eq!(of("ggc_user"), run("ggc_user", "#997", Some((998, 997))));
        assert_eq!(of("998:996"), run("#998", "#996", Some((998, 996))));
        assert_eq!(of("nobody:nogroup"), run("nobody", "nogroup", None));
        assert_eq!(of("stranger"), None);
    }
}
