use std::time::Duration;

use super::*;

fn parse(text: &str) -> Result<Config> {
    Config::parse(text, "portcullis.toml", &BTreeMap::new())
}

fn complaint(text: &str) -> String {
    format!("{:#}", parse(text).unwrap_err())
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(parse("").unwrap(), Config::default());
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let complaint = complaint("[gateway]\nworkers = 2\nworker = 3\n");

    assert!(
        complaint.starts_with("portcullis.toml:3:1: unknown field `worker`"),
        "{complaint}"
    );
    assert_eq!(complaint.lines().count(), 1);
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_its_line() {
    for (text, part) in [
        ("[gateway]\nworkers = \"two\"", "portcullis.toml:2:11"),
        ("[gateway]\nworkers = -1", "portcullis.toml:2:11"),
        ("[cluster]\nlease = \"10 parsecs\"", "portcullis.toml:2:9"),
        ("[cluster]\nlease = 10", "portcullis.toml:2:9"),
        (
            "[gateway]\nbody_max = \"10 bananas\"",
            "portcullis.toml:2:12",
        ),
        ("[cluster]\non_stale = \"panic\"", "portcullis.toml:2:12"),
        (
            "[listeners]\npublic_url = \"no url\"",
            "portcullis.toml:2:14",
        ),
        ("[nonsense]\n", "portcullis.toml:1:2"),
        ("listeners = 3", "portcullis.toml:1:13"),
        ("[[", "portcullis.toml:1"),
    ] {
        let complaint = complaint(text);
        assert!(complaint.starts_with(part), "{text:?} gave {complaint}");
    }
}

#[test]
fn rules_across_settings_name_their_section() {
    for (text, part) in [
        (
            "[listeners]\nportal = [\"127.0.0.1:80\"]\ngateway = [\"127.0.0.1:80\"]",
            "listeners",
        ),
        (
            "[auth]\nissuer = \"http://localhost/oauth2/default/\"",
            "auth",
        ),
        ("[auth]\nissuer = \"http://localhost/oauth2/../x\"", "auth"),
        (
            "[auth]\nissuer = \"http://localhost/oauth2/default#x\"",
            "auth",
        ),
        (
            "[auth]\nissuer = \"http://auth.example.com/oauth2/default\"",
            "auth",
        ),
        ("[cluster]\nlease = \"0s\"", "cluster"),
        ("[store]\nurl = \"mysql://x\"", "store"),
        ("[gateway]\nworkers = 0", "gateway"),
        ("[mail]\nmode = \"smtp\"\nfrom = \"a@b\"", "mail: host"),
        ("[mail]\nmode = \"smtp\"\nhost = \"m\"", "mail: from"),
        (
            "[mail]\nmode = \"smtp\"\nhost = \"m\"\nfrom = \"a@b\"\nusername = \"u\"",
            "mail: password_file",
        ),
        (
            "[mail]\nmode = \"smtp\"\nhost = \"m\"\nfrom = \"a@b\"\npassword = \"p\"",
            "mail: username",
        ),
        (
            "[mail]\nmode = \"smtp\"\nhost = \"m\"\nfrom = \"a@b\"\nusername = \"u\"\npassword = \"p\"\ntls = \"none\"",
            "mail: tls",
        ),
    ] {
        let complaint = complaint(text);
        assert!(
            complaint.contains(&format!("portcullis.toml: {part}")),
            "{text:?} gave {complaint}"
        );
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let environment = BTreeMap::from([
        ("PORTCULLIS_CLUSTER__LEASE".to_owned(), "7s".to_owned()),
        ("PORTCULLIS_GATEWAY__WORKERS".to_owned(), "3".to_owned()),
        (
            "PORTCULLIS_LISTENERS__GATEWAY".to_owned(),
            "[\"127.0.0.1:9999\"]".to_owned(),
        ),
        ("PORTCULLISH".to_owned(), "ignored".to_owned()),
    ]);

    let config = Config::parse("[cluster]\nlease = \"9s\"", "x", &environment).unwrap();

    assert_eq!(config.cluster.lease.get(), Duration::from_secs(7));
    assert_eq!(config.gateway.workers, Some(3));
    assert_eq!(
        config.listeners.gateway,
        ["127.0.0.1:9999".parse().unwrap()]
    );
}

#[test]
fn a_bad_variable_of_the_environment_is_named() {
    for (name, value) in [
        ("PORTCULLIS_CLUSTER__LEASE", "soon"),
        ("PORTCULLIS_CLUSTER__LEES", "7s"),
        ("PORTCULLIS_GATEWAY__WORKERS", "many"),
    ] {
        let environment = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let error = Config::parse("", "x", &environment).unwrap_err();
        let shown = format!("{error:#}");
        assert!(shown.contains(name) || shown.contains("lees"), "{shown}");
    }
}

#[test]
fn a_file_that_is_no_text_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let none = BTreeMap::new();
    let path = folder.path().join("portcullis.toml");

    let absent = Config::load(Some(&path), &none).unwrap_err();
    let folder_itself = Config::load(Some(folder.path()), &none).unwrap_err();
    fs::write(&path, b"\xff\xfe").unwrap();
    let bytes = Config::load(Some(&path), &none).unwrap_err();
    fs::write(&path, b"\xef\xbb\xbf[gateway]").unwrap();
    let bom = Config::load(Some(&path), &none).unwrap_err();

    for error in [&absent, &folder_itself, &bytes, &bom] {
        assert!(
            format!("{error:#}").contains(&folder.path().display().to_string()),
            "{error:#}"
        );
    }
}

#[test]
fn a_password_of_the_environment_is_text_and_does_not_print() {
    let environment = BTreeMap::from([
        ("PORTCULLIS_MAIL__PASSWORD".to_owned(), "1_000".to_owned()),
        ("PORTCULLIS_MAIL__USERNAME".to_owned(), "u".to_owned()),
    ]);

    let config = Config::parse("", "x", &environment).unwrap();

    let settings = config.mail.smtp("localhost", Vec::new()).unwrap();
    assert_eq!(settings.login.unwrap().password, "1_000");
    assert!(!format!("{:?}", config.mail).contains("1_000"));
}

#[test]
fn a_password_of_a_file_is_its_first_line_without_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    fs::write(&path, " p w \n").unwrap();
    let text = format!(
        "[mail]\nmode = \"smtp\"\nhost = \"m\"\nfrom = \"a@b\"\nusername = \"u\"\npassword_file = {path:?}"
    );

    let settings = |text: &str| parse(text).unwrap().mail.smtp("h", Vec::new());
    let read = settings(&text).unwrap();
    fs::remove_file(&path).unwrap();
    let missing = settings(&text).unwrap_err();

    assert_eq!(
        (read.port, read.login.unwrap().password.as_str()),
        (587, " p w ")
    );
    assert!(format!("{missing:#}").contains("mail.password_file"));
}
