use super::*;

fn given(variables: &[(&str, &str)], files: &[(&str, &str)]) -> Given {
    Given {
        variables: variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        files: files.iter().map(|&(path, text)| (path.into(), text.to_owned())).collect(),
        program: "/usr/bin/greenproof-inside".into(),
    }
}

fn read(variables: &[(&str, &str)], files: &[(&str, &str)]) -> Config {
    Config::of(&given(variables, files)).expect("it can be read")
}

fn refused(variables: &[(&str, &str)], files: &[(&str, &str)]) -> (String, String) {
    let error = Config::of(&given(variables, files)).expect_err("it can't be read");
    (error.to_string(), error.hint)
}

fn said(config: &Config, key: Key) -> (Option<&str>, String) {
    (config.text(key), config.origin(key).to_string())
}

#[test]
fn a_variable_goes_before_the_project_which_goes_before_the_user() {
    fidelity::fidelity!("config-1");
    let project = ("/p/greenproof.toml", "\npatience = 2\nevidence = \"out\"\n");
    let user = ("/home/a/.config/greenproof/config.toml", "patience = 3\njunit = \"all.xml\"\nevidence = \"/e\"\n");
    let config = read(&[("GREENPROOF_PATIENCE", "4"), ("GREENPROOF_JUNIT", "")], &[project, user]);
    assert_eq!(said(&config, Key::Patience), (Some("4"), "GREENPROOF_PATIENCE".into()));
    assert_eq!(said(&config, Key::Evidence), (Some("/p/out"), "/p/greenproof.toml:3".into()));
    let junit = (Some("/home/a/.config/greenproof/all.xml"), "/home/a/.config/greenproof/config.toml:2".into());
    assert_eq!(said(&config, Key::Junit), junit);
    assert_eq!(said(&config, Key::Color), (Some("auto"), "default".into()));
    assert_eq!(said(&config, Key::Lite), (None, "default".into()));
}

#[test]
fn what_can_not_be_is_told_with_its_place() {
    fidelity::fidelity!("config-2");
    let file = |text| refused(&[], &[("greenproof.toml", text)]);
    let told = |message: &str, hint: &str| (message.to_owned(), hint.to_owned());
    assert_eq!(
        file("evidence = \"a\"\npatiense = 2\n"),
        told("greenproof.toml:2:1: unknown key `patiense`", "did you mean `patience`?")
    );
    let (message, hint) = file("qqq = 1\n");
    assert_eq!(message, "greenproof.toml:1:1: unknown key `qqq`");
    assert!(hint.starts_with("use one of evidence, junit, ") && !hint.contains("program"), "{hint}");
    assert_eq!(
        file("patience = \"2\"\n"),
        told("greenproof.toml:1:12: `patience` can't be \"2\"", "use a number above 0, such as 2")
    );
    assert_eq!(file("patience = -1\n").0, "greenproof.toml:1:12: `patience` can't be -1");
    assert_eq!(file("install_missing = 1\n").1, "use true or false");
    assert_eq!(file("color = \"blue\"\n").1, "use one of auto, always, never");
    assert_eq!(file("evidence = \"\"\n").1, "use a path in quotes");
    assert_eq!(
        file("program = \"/tmp/x\"\n"),
        told("greenproof.toml:1:1: `program` can't be said in a file", "set GREENPROOF_PROGRAM")
    );
    assert!(file("patience = \n").0.starts_with("greenproof.toml:1:12: "), "{:?}", file("patience = \n"));
    assert_eq!(
        refused(&[("GREENPROOF_PATIENCE", "never")], &[]),
        told("GREENPROOF_PATIENCE: `never` can't be", "use a number above 0, such as 2")
    );
}

#[test]
fn a_nucleus_in_a_file_is_a_package_beside_it_or_an_image() {
    let config = read(&[], &[("/p/greenproof.toml", "lite = \"lite.deb\"\nclassic = \"nucleus:2\"\n")]);
    assert_eq!(config.text(Key::Lite), Some("/p/lite.deb"));
    assert_eq!(config.text(Key::Classic), Some("nucleus:2"));
    let options = config.options();
    assert!(options.is_err_and(|error| error.hint.contains("XDG_CACHE_HOME")), "there is no home");
}

#[test]
fn the_cache_is_where_the_system_keeps_caches() {
    let cache = |variables| read(variables, &[]).options().expect("there is a folder").cache;
    assert_eq!(cache(&[("HOME", "/h")]), PathBuf::from("/h/.cache/greenproof"));
    assert_eq!(cache(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]), PathBuf::from("/c/greenproof"));
    assert_eq!(cache(&[("HOME", "/h"), ("GREENPROOF_CACHE", "/g")]), PathBuf::from("/g"));
}

#[test]
fn variables_of_others_count_as_they_are_meant() {
    let config = read(&[("NO_COLOR", "yes"), ("PIP_CERT", "/ca.pem"), ("GREENPROOF_INSTALL_MISSING", "1")], &[]);
    assert_eq!(said(&config, Key::Color), (Some("never"), "NO_COLOR".into()));
    assert_eq!(said(&config, Key::CaBundle), (Some("/ca.pem"), "PIP_CERT".into()));
    assert_eq!(config.text(Key::InstallMissing), Some("true"));
    let config = read(&[("GREENPROOF_PATIANCE", "2"), ("GREENPROOF_Q", "1"), ("HOME", "/")], &[]);
    let nearest = [("GREENPROOF_PATIANCE".to_owned(), Some("GREENPROOF_PATIENCE"))];
    assert_eq!(config.unknown()[..1], nearest);
    assert_eq!(config.unknown().len(), 2);
}

#[test]
fn what_is_shown_is_a_file_that_says_the_same_and_no_password() {
    let variables =
        [("PIP_INDEX_URL", "https://me:hunter2@host/simple"), ("GREENPROOF_PATIENCE", "2.5"), ("HOME", "/h")];
    let config = read(&variables, &[]);
    let text = human(&config);
    assert!(text.contains("# Image builds take over PIP_INDEX_URL=https://***@host/simple"), "{text}");
    assert!(!(text.clone() + &json(&config)).contains("hunter2"));
    assert!(text.contains("\npatience = 2.5 # GREENPROOF_PATIENCE\n"), "{text}");
    let again = read(&[], &[("/greenproof.toml", &text)]);
    for key in Key::ALL.into_iter().filter(|key| !matches!(key, Key::Program | Key::Evidence)) {
        assert_eq!(again.text(key), config.text(key), "{key:?}");
    }
    let all: serde_json::Value = serde_json::from_str(&json(&config)).expect("it is JSON");
    assert_eq!(all["settings"].as_array().map(Vec::len), Some(Key::ALL.len()));
    assert_eq!(all["settings"][3]["value"], 2.5);
    assert_eq!(all["settings"][3]["origin"]["variable"], "GREENPROOF_PATIENCE");
}
