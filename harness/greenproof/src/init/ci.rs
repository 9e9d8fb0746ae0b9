//! The CI job that runs a component's first scenario on each change.

use super::{Request, here, shown};
use std::{
    fmt,
    path::{Component as Part, Path, PathBuf},
    str::FromStr,
};

const GITHUB: &str = include_str!("ci/github.yml");
const GITLAB: &str = include_str!("ci/gitlab.yml");
const JENKINS: &str = include_str!("ci/jenkins.groovy");

/// A CI that a job can be written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ci {
    /// GitHub Actions.
    GitHub,
    /// GitLab CI.
    GitLab,
    /// A declarative Jenkins pipeline.
    Jenkins,
    /// None.
    None,
}

impl Ci {
    const ALL: [(Self, &'static str); 4] =
        [(Self::GitHub, "github"), (Self::GitLab, "gitlab"), (Self::Jenkins, "jenkins"), (Self::None, "none")];

    /// The one that a repository's remote suggests.
    fn of(root: &Path) -> Self {
        let config = std::fs::read_to_string(root.join(".git/config")).unwrap_or_default();
        let hosts = [(Self::GitHub, "github.com"), (Self::GitLab, "gitlab")];
        hosts.into_iter().find(|(_, host)| config.contains(host)).map_or(Self::None, |(ci, _)| ci)
    }
}

impl FromStr for Ci {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|(_, name)| *name == text);
        known.map(|(ci, _)| ci).ok_or_else(|| "use `github`, `gitlab`, `jenkins` or `none`".to_owned())
    }
}

impl fmt::Display for Ci {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Self::ALL.iter().find(|(ci, _)| ci == self);
        f.write_str(known.map_or("none", |(_, name)| name))
    }
}

/// A job to write.
pub(super) struct Job {
    pub(super) file: PathBuf,
    pub(super) text: String,
    /// What a person has to do for it to run.
    pub(super) note: Option<String>,
}

/// The job for a scenario, at the root of the repository that the folder is in, or in the folder itself.
pub(super) fn job(request: &Request, folder: &Path, scenario: &Path) -> Option<Job> {
    let root = root(folder);
    let path = from_root(&root, scenario);
    let fill = |text: &str| text.replace("@SCENARIO@", &path);
    match request.ci.unwrap_or_else(|| Ci::of(&root)) {
        Ci::None => None,
        Ci::GitHub => {
            let wanted = "FILL IN: OWNER/REPOSITORY@REF of greenproof";
            let action = request.action.as_deref().unwrap_or(wanted);
            let note = "say in the workflow where greenproof's own repository is: `uses: OWNER/REPOSITORY@REF`";
            Some(Job {
                file: root.join(".github/workflows/greenproof.yml"),
                text: fill(GITHUB).replace("@ACTION@", &quoted(action)),
                note: request.action.is_none().then(|| note.to_owned()),
            })
        }
        Ci::GitLab => {
            let there = root.join(".gitlab-ci.yml");
            let (place, note) = if there.exists() && !request.force {
                let note = "include it in .gitlab-ci.yml: `include: [{ local: .gitlab/greenproof.yml }]`";
                (root.join(".gitlab/greenproof.yml"), note)
            } else {
                (there, "the runner needs Docker, and greenproof in its search path")
            };
            Some(Job { file: place, text: fill(GITLAB), note: Some(note.to_owned()) })
        }
        Ci::Jenkins => {
            let note = "the agent needs Docker, and greenproof in its search path".to_owned();
            Some(Job { file: root.join("Jenkinsfile"), text: fill(JENKINS), note: Some(note) })
        }
    }
}

fn quoted(action: &str) -> String {
    if action.contains(' ') { format!("\"{action}\"") } else { action.to_owned() }
}

/// The repository's root, as seen from where the folder is named.
fn root(folder: &Path) -> PathBuf {
    let Ok(whole) = here(folder).canonicalize() else { return folder.to_owned() };
    let within = whole.ancestors().position(|above| above.join(".git").exists());
    let up = within.map_or(0, |levels| levels);
    (0..up).fold(folder.to_owned(), |path, _| path.join(".."))
}

/// The scenario as commands at the root name it.
fn from_root(root: &Path, scenario: &Path) -> String {
    let whole = |path: &Path| here(path).canonicalize().ok();
    let base = scenario.ancestors().find_map(|above| Some((above, whole(above)?)));
    let named = base.and_then(|(above, whole_above)| {
        let rest = scenario.strip_prefix(above).ok()?;
        Some(whole_above.strip_prefix(whole(root)?).ok()?.join(rest))
    });
    let named = named.unwrap_or_else(|| scenario.to_owned());
    debug_assert!(named.components().all(|part| matches!(part, Part::Normal(_))));
    shown(&named)
}
