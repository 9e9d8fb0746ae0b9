use super::*;
use std::collections::BTreeSet;

#[test]
fn the_library_has_every_failure_once_and_says_all_of_it() {
    let library = Library::embedded();
    let ids: Vec<_> = library.failures().iter().map(|failure| failure.id.as_str()).collect();
    let expected: Vec<_> = (1..=73).map(|number| format!("F{number:02}")).collect();
    assert_eq!(ids, expected);
    let mut titles = BTreeSet::new();
    for failure in library.failures() {
        for text in [&failure.title, &failure.cause, &failure.fix, &failure.source] {
            assert!(!text.trim().is_empty(), "{}", failure.id);
        }
        assert!(titles.insert(&failure.title), "{} has the title of another", failure.id);
        assert_ne!(failure.signs.is_empty(), failure.silent.is_none(), "{} has a sign, or says why not", failure.id);
        assert!(failure.signs.iter().all(|sign| sign.check().is_ok()), "{}", failure.id);
        let happens = failure.reproduction().is_some();
        assert!(happens || failure.cannot.is_some(), "{} can be made to happen, or says why not", failure.id);
        for other in &failure.before {
            assert!(library.get(other).is_some_and(|other| other.id != failure.id), "{}: {other}", failure.id);
        }
    }
}

#[test]
fn every_scenario_of_the_library_loads_from_an_empty_folder() {
    fidelity::fidelity!("explain-8");
    let folder = tempfile::tempdir().unwrap();
    let library = Library::embedded();
    library.write(folder.path()).unwrap();
    for (scenario, id) in library.failures().iter().flat_map(Failure::scenarios) {
        let loaded = crate::Scenario::load(&folder.path().join(scenario));
        assert!(loaded.is_ok(), "{id}: {:?}", loaded.err());
        assert_eq!(library.shown_by(scenario), Some(id));
    }
    let again = Library::of_folder(folder.path()).unwrap();
    assert_eq!(format!("{:?}", again.failures), format!("{:?}", library.failures));
}

#[test]
fn the_library_of_the_tree_is_the_embedded_one() {
    let tree = Library::of_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")).unwrap();
    let of = |library: &Library| format!("{:?}", library.failures);
    assert_eq!(of(&tree), of(Library::embedded()));
}

#[test]
fn a_file_that_is_no_failure_is_told() {
    let read = |text: &str| {
        let files = [("failures/F99-x.toml".to_owned(), text.as_bytes().to_vec())];
        Library::read(files, Origin::Folder("x".into()))
            .map(|library| library.failures.len())
            .map_err(|error| error.to_string())
    };
    let stated = "[failure]\nid = \"F99\"\ntitle = \"t\"\ncause = \"c\"\nfix = \"f\"\nsource = \"s\"\n";
    assert_eq!(read(stated), Ok(1));
    assert_eq!(read("summary = \"a base\"\n"), Ok(0));
    let without = "failures/F99-x.toml: there is no failure `F98`";
    assert_eq!(read("base = \"x.toml\"\n[failure]\nof = \"F98\"\n").unwrap_err(), without);
    let pattern = format!("{stated}[[failure.sign]]\nhas = \"x\"\nmatches = '('\n");
    assert!(read(&pattern).unwrap_err().contains("`matches` is no pattern"));
    let empty = format!("{stated}[[failure.sign]]\nhas = []\n");
    assert_eq!(read(&empty).unwrap_err(), "failures/F99-x.toml: a sign has a text, and no text is empty");
}
