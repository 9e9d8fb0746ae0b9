use super::*;

const BASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/scenarios/inline.toml");

/// A folder with these files; `{base}` stands for a scenario to start from.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text.replace("{base}", &format!("base = \"{BASE}\"\n"))).unwrap();
    }
    folder
}

fn wanted(tags: &[&str], filters: &[&str]) -> Wanted {
    let filters = filters.iter().map(|text| text.parse().unwrap()).collect();
    Wanted { tags: tags.iter().map(|&tag| tag.to_owned()).collect(), filters }
}

fn found(folder: &tempfile::TempDir, wanted: &Wanted) -> Vec<String> {
    let suite = Suite::of(&[folder.path().to_owned()], wanted, Path::new("/nowhere")).unwrap();
    suite.scenarios.into_iter().map(|scenario| scenario.name).collect()
}

#[test]
fn below_a_folder_a_scenario_says_what_happens_or_what_it_starts_from() {
    fidelity::fidelity!("select-1");
    let folder = folder(&[
        ("b.toml", "{base}"),
        ("a/one.toml", "{base}"),
        ("world.toml", "[aws]\nregion = \"eu-west-1\"\n"),
        ("Cargo.toml", "[package]\nname = \"x\"\n"),
        (".hidden/c.toml", "{base}"),
        ("old/evidence.json", "{}"),
        ("old/scenario.toml", "{base}"),
        ("out/x/scenario.toml", "{base}"),
        ("notes.txt", "{base}"),
    ]);
    let suite = Suite::of(&[folder.path().to_owned()], &Wanted::default(), &folder.path().join("out")).unwrap();
    let names: Vec<_> = suite.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    assert_eq!((names, suite.seen), (vec!["one", "b"], 2));
    assert_eq!(suite.files[0], folder.path().join("a/one.toml"));
}

#[test]
fn a_file_that_was_meant_as_a_scenario_is_an_error() {
    let folder = folder(&[("a.toml", "{base}"), ("b.toml", "base = [\n")]);
    let error = Suite::of(&[folder.path().to_owned()], &Wanted::default(), Path::new("/")).unwrap_err();
    assert!(error.place.contains("b.toml:"), "{error}");
    let cargo = folder.path().join("Cargo.toml");
    std::fs::write(&cargo, "[package]\n").unwrap();
    let error = Suite::of(&[cargo], &Wanted::default(), Path::new("/")).unwrap_err();
    assert!(error.place.ends_with("Cargo.toml:1:2") && error.message.contains("unknown field `package`"), "{error}");
}

#[test]
fn tags_and_names_narrow_together_and_widen_each() {
    fidelity::fidelity!("select-2");
    let folder = folder(&[
        ("F1-a.toml", "{base}tags = [\"slow\", \"git\"]\n"),
        ("F1-b.toml", "{base}tags = [\"git\"]\n"),
        ("F2.toml", "{base}"),
    ]);
    let of = |tags: &[&str], filters: &[&str]| found(&folder, &wanted(tags, filters));
    assert_eq!(of(&[], &[]), ["F1-a", "F1-b", "F2"]);
    assert_eq!(of(&["git"], &[]), ["F1-a", "F1-b"]);
    assert_eq!(of(&["slow", "git"], &[]), ["F1-a", "F1-b"]);
    assert_eq!(of(&["git"], &["-b"]), ["F1-b"]);
    assert_eq!(of(&[], &["F1"]), ["F1-a", "F1-b"]);
    assert_eq!(of(&[], &["F?"]), ["F2"]);
    assert_eq!(of(&[], &["*-b", "F2"]), ["F1-b", "F2"]);
    assert_eq!(of(&[], &["."]), Vec::<String>::new());
    assert_eq!(wanted(&["a", "b"], &["x*"]).to_string(), " with tag `a` or `b` and a name like `x*`");
}

#[test]
fn what_chooses_nothing_is_named() {
    fidelity::fidelity!("select-7");
    let folder = folder(&[("some/a.toml", "{base}tags = [\"git\"]\n"), ("none/world.toml", "[aws]\nregion = \"r\"\n")]);
    let (some, none) = (folder.path().join("some"), folder.path().join("none"));
    let idle = |places: &[PathBuf], wanted: &Wanted| Suite::of(places, wanted, Path::new("/nowhere")).unwrap().idle;
    assert_eq!(idle(&[some.clone(), none.clone()], &Wanted::default()), [format!("`{}`", none.display())]);
    assert_eq!(
        idle(std::slice::from_ref(&some), &wanted(&["git", "tig"], &["a", "tpyo"])),
        ["`--filter tpyo`", "`--tag tig`"]
    );
    assert_eq!(idle(&[some], &wanted(&["git"], &["a"])), Vec::<String>::new());
}

/// What is to be seen, without what happens, was meant as a scenario: it is an error and not left out.
#[test]
fn a_misspelt_step_leaves_no_scenario_out() {
    fidelity::fidelity!("select-1");
    let folder =
        folder(&[("a.toml", "{base}"), ("b.toml", "[deploymnt]\nA = \"1\"\n[expect]\ndeployment = \"SUCCEEDED\"\n")]);
    let error = Suite::of(&[folder.path().to_owned()], &Wanted::default(), Path::new("/nowhere")).unwrap_err();
    assert!(error.place.contains("b.toml:") && error.message.contains("`deploymnt`"), "{error}");
}

#[test]
fn scenarios_of_one_name_are_told_apart_by_their_folders_and_each_is_there_once() {
    fidelity::fidelity!("select-3");
    let folder =
        folder(&[("x/a.toml", "{base}"), ("y/a.toml", "{base}"), ("y/b.toml", "{base}"), ("z/y/a.toml", "{base}")]);
    assert_eq!(
        found(&folder, &Wanted::default()),
        ["x-a", named(&folder.path().join("y/a.toml"), 2).as_str(), "b", "z-y-a"]
    );
    let twice = [folder.path().join("y/b.toml"), folder.path().join("x/../y/b.toml")];
    let suite = Suite::of(&twice, &Wanted::default(), Path::new("/")).unwrap();
    assert_eq!(suite.scenarios.len(), 1);
}

#[test]
fn a_tag_is_a_plain_word_that_a_scenario_has_once() {
    fidelity::fidelity!("select-4");
    let refused = |tags: &str| {
        let folder = folder(&[("a.toml", &format!("{{base}}summary = \"x\"\ntags = {tags}\n"))]);
        let error = Scenario::load(&folder.path().join("a.toml")).unwrap_err();
        assert!(error.place.contains("a.toml:3:"), "{error}");
        error.message
    };
    assert_eq!(refused("[\"git\", \"a b\"]"), "`a b` is no tag");
    assert_eq!(refused("[\"\"]"), "`` is no tag");
    assert_eq!(refused("[\"git\", \"git\"]"), "the tag `git` is stated twice");
    // A list that a scenario states replaces that of its base.
    let folder = folder(&[
        ("base.toml", "{base}tags = [\"old\"]\n"),
        ("same.toml", "base = \"base.toml\"\n"),
        ("new.toml", "base = \"base.toml\"\ntags = [\"new\"]\n"),
    ]);
    let tags = |name: &str| Scenario::load(&folder.path().join(name)).unwrap().tags;
    assert_eq!((tags("same.toml"), tags("new.toml")), (vec!["old".to_owned()], vec!["new".to_owned()]));
}
