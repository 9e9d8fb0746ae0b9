//! Who can read a file: by its mode and owner, and by those of the folders above it.

use std::collections::BTreeMap;

/// Mode and owner of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Permission bits.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// Who can read something, beside root, who always can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Readers {
    /// Root alone.
    Root,
    /// Every process of a user.
    User(u32),
    /// Every member of a group.
    Group(u32),
    /// Every user of the machine.
    Everyone,
}

impl Readers {
    /// As a report says it, such as `every process of ggc_user`.
    #[must_use]
    pub fn text(self, names: &Names) -> String {
        match self {
            Self::Root => "root".to_owned(),
            Self::User(uid) => format!("every process of {}", names.user(uid)),
            Self::Group(gid) => format!("group {}", names.group(gid)),
            Self::Everyone => "every local user".to_owned(),
        }
    }
}

/// In whose place a file is read.
#[derive(Clone, Copy)]
enum Who {
    Anyone,
    Member(u32),
    Owner(u32),
}

impl Access {
    /// Mode and owner.
    #[must_use]
    pub const fn new(mode: u32, uid: u32, gid: u32) -> Self {
        Self { mode: mode & 0o7777, uid, gid }
    }

    /// The mode as four octal digits.
    #[must_use]
    pub fn mode_text(&self) -> String {
        format!("{:04o}", self.mode)
    }

    /// The owner as `USER:GROUP`.
    #[must_use]
    pub fn owner_text(&self, names: &Names) -> String {
        format!("{}:{}", names.user(self.uid), names.group(self.gid))
    }

    /// The most that can read a file of this access below these folders. Access lists are not considered.
    #[must_use]
    pub fn readers(&self, folders: &[Self], names: &Names) -> Readers {
        let can = |who| self.allows(who, 0o4, names) && folders.iter().all(|folder| folder.allows(who, 0o1, names));
        if can(Who::Anyone) {
            return Readers::Everyone;
        }
        let all = || std::iter::once(self).chain(folders);
        let group = all().map(|access| access.gid).find(|gid| *gid != 0 && can(Who::Member(*gid)));
        let user = || all().map(|access| access.uid).find(|uid| *uid != 0 && can(Who::Owner(*uid)));
        group.map(Readers::Group).or_else(|| user().map(Readers::User)).unwrap_or(Readers::Root)
    }

    fn allows(&self, who: Who, bit: u32, names: &Names) -> bool {
        let bit = match who {
            Who::Owner(uid) if uid == self.uid => bit << 6,
            Who::Owner(uid) if names.is_member(uid, self.gid) => bit << 3,
            Who::Member(gid) if gid == self.gid => bit << 3,
            _ => bit,
        };
        self.mode & bit != 0
    }
}

/// The names of users and groups of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
    members: Vec<(u32, u32)>,
}

impl Names {
    /// From the texts of `/etc/passwd` and `/etc/group`; lines that make no sense are left out.
    #[must_use]
    pub fn read(passwd: &str, group: &str) -> Self {
        let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let mut names = Self::default();
        for line in passwd.lines().map(fields) {
            if let [name, _, uid, gid, ..] = line.as_slice()
                && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
            {
                names.users.entry(uid).or_insert_with(|| name.clone());
                names.members.push((uid, gid));
            }
        }
        for line in group.lines().map(fields) {
            if let [name, _, gid, members] = line.as_slice()
                && let Ok(gid) = gid.parse()
            {
                names.groups.entry(gid).or_insert_with(|| name.clone());
                let member = |name: &str| names.users.iter().find(|(_, user)| *user == name).map(|(uid, _)| *uid);
                let members: Vec<_> = members.split(',').filter_map(member).map(|uid| (uid, gid)).collect();
                names.members.extend(members);
            }
        }
        names
    }

    /// A user's name, or number.
    #[must_use]
    pub fn user(&self, uid: u32) -> String {
        named(&self.users, uid)
    }

    /// A group's name, or number.
    #[must_use]
    pub fn group(&self, gid: u32) -> String {
        named(&self.groups, gid)
    }

    fn is_member(&self, uid: u32, gid: u32) -> bool {
        self.members.contains(&(uid, gid))
    }
}

fn named(names: &BTreeMap<u32, String>, number: u32) -> String {
    match (names.get(&number), number) {
        (Some(name), _) => name.clone(),
        (None, 0) => "root".to_owned(),
        (None, _) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::read(
            "root:x:0:0:root:/root:/bin/sh\nggc_user:x:998:997::/home/g:/bin/sh\nother:x:1000:1000::/:/bin/sh\nbad",
            "root:x:0:\nggc_group:x:997:\nadm:x:4:other\n",
        )
    }

    #[test]
    fn the_most_that_can_read_is_told() {
        let (open, root) = (Access::new(0o755, 0, 0), |mode| Access::new(mode, 0, 0));
        for (file, folders, expected) in [
            (root(0o644), vec![open], "every local user"),
            (root(0o600), vec![open], "root"),
            (root(0o640), vec![open], "root"),
            (Access::new(0o640, 0, 4), vec![open], "group adm"),
            (Access::new(0o640, 998, 997), vec![open], "group ggc_group"),
            (Access::new(0o600, 998, 997), vec![open], "every process of ggc_user"),
            // A folder of somebody's own keeps all others out.
            (root(0o644), vec![open, Access::new(0o700, 998, 997)], "every process of ggc_user"),
            (Access::new(0o644, 998, 997), vec![open, root(0o700)], "root"),
            (Access::new(0o644, 1000, 1000), vec![Access::new(0o750, 0, 4)], "group adm"),
            // Read as a member, reached as the owner.
            (Access::new(0o640, 0, 997), vec![Access::new(0o700, 998, 997)], "every process of ggc_user"),
            (Access::new(0o604, 998, 997), vec![open], "every local user"),
            (
                Access::new(0o644, 998, 997),
                vec![Access::new(0o711, 0, 0), Access::new(0o1777, 0, 0)],
                "every local user",
            ),
        ] {
            assert_eq!(file.readers(&folders, &names()).text(&names()), expected, "{file:?} in {folders:?}");
        }
    }

    #[test]
    fn numbers_stand_for_unknown_names() {
        let access = Access::new(0o100_644, 7, 997);
        assert_eq!((access.mode_text(), access.owner_text(&names())), ("0644".into(), "7:ggc_group".into()));
        assert_eq!(access.owner_text(&Names::default()), "7:997");
        assert_eq!(Access::new(0, 0, 0).owner_text(&Names::default()), "root:root");
    }
}
