//! Every mail, as it is read.

use super::*;

const NAME: &str = "Ada <script>alert(1)</script> & Söhne";
const LINK: &str = "https://portal.example/confirm?token=abc&next=1";

fn every_mail() -> Vec<Mail> {
    let (full_name, link) = (NAME.to_owned(), LINK.to_owned());
    vec![
        Mail::EmailVerification {
            full_name: full_name.clone(),
            link: link.clone(),
        },
        Mail::PasswordReset {
            full_name: full_name.clone(),
            link: link.clone(),
        },
        Mail::PasswordChanged {
            full_name: full_name.clone(),
            address: Some("192.0.2.7".parse().unwrap()),
        },
        Mail::Invitation {
            organization: NAME.to_owned(),
            role: MemberRole::ApiDeveloper,
            invited_by: full_name.clone(),
            link,
        },
        Mail::SecondFactorChanged {
            full_name: full_name.clone(),
            what: "a passkey <b>was added</b>.".to_owned(),
        },
        Mail::AlreadyRegistered { full_name },
        Mail::Test {
            asked_by: NAME.to_owned(),
        },
    ]
}

fn settings() -> InstallationSettings {
    InstallationSettings {
        installation_name: "Autohaus <API>".to_owned(),
        support_email: "help@example.com".to_owned(),
        ..InstallationSettings::default()
    }
}

fn letter(mail: &Mail) -> Letter {
    compose(&JobId::random(), "ada@example.com", mail, &settings()).unwrap()
}

fn link_of(mail: &Mail) -> Option<&str> {
    match mail {
        Mail::EmailVerification { link, .. }
        | Mail::PasswordReset { link, .. }
        | Mail::Invitation { link, .. } => Some(link),
        _ => None,
    }
}

#[test]
fn html_escapes_what_people_typed() {
    for mail in every_mail() {
        let letter = letter(&mail);

        assert!(!letter.html.contains("<script"), "{}", letter.html);
        assert!(!letter.html.contains("<b>"), "{}", letter.html);
        assert!(letter.html.contains("&#60;script"), "{}", letter.html);
        assert!(letter.html.contains("Autohaus &#60;API&#62;"));
        assert!(letter.html.starts_with("<!doctype html>"));
    }
}

#[test]
fn text_says_what_was_typed_and_the_link_once() {
    for mail in every_mail() {
        let letter = letter(&mail);

        assert!(letter.text.contains(NAME), "{}", letter.text);
        assert!(!letter.text.contains("&#"), "{}", letter.text);
        assert!(letter.text.contains("Autohaus <API>\n"));
        assert!(letter.text.contains("help@example.com"));
        let links = letter.text.matches("https://").count();
        assert_eq!(links, usize::from(link_of(&mail).is_some()));
        if let Some(link) = link_of(&mail) {
            let line = letter.text.lines().find(|line| line.starts_with("https"));
            assert_eq!(line, Some(link), "a line of its own");
        }
        assert!(letter.text.lines().all(|line| line.len() < 300));
    }
}

#[test]
fn a_mail_fetches_nothing_and_leads_to_nowhere_but_its_link() {
    for mail in every_mail() {
        let html = letter(&mail).html;

        for remote in ["<img", "<link", "<script", "@import", "url("] {
            assert!(!html.contains(remote), "{remote}: {html}");
        }
        let escaped = LINK.replace('&', "&#38;");
        let hrefs = html.matches("href=\"").count();
        let own = html.matches(&format!("href=\"{escaped}\"")).count();
        let support = html.matches("href=\"mailto:help@example.com\"").count();
        assert_eq!(hrefs, own + support, "{html}");
        assert_eq!(own, usize::from(link_of(&mail).is_some()));
    }
}

#[test]
fn a_subject_is_one_line_and_each_mail_has_its_own() {
    let mut subjects: Vec<String> = every_mail()
        .iter()
        .map(|mail| letter(mail).subject)
        .collect();
    let mail = Mail::Invitation {
        organization: "a\r\nBcc: eve@example.com".to_owned(),
        role: MemberRole::Viewer,
        invited_by: "x".to_owned(),
        link: LINK.to_owned(),
    };

    let injected = letter(&mail).subject;

    assert!(!injected.contains(['\r', '\n']), "{injected:?}");
    subjects.sort();
    subjects.dedup();
    assert_eq!(subjects.len(), 7);
}

#[test]
fn a_letter_does_not_print_its_link() {
    for mail in every_mail() {
        let letter = letter(&mail);

        assert!(!format!("{letter:?}").contains("token="));
    }
}

#[test]
fn the_mail_for_a_new_password_reads_like_this() {
    let mail = Mail::PasswordReset {
        full_name: "Ada".to_owned(),
        link: "https://portal.example/reset?token=abc".to_owned(),
    };
    let settings = InstallationSettings::default();

    let letter = compose(&JobId::random(), "ada@example.com", &mail, &settings).unwrap();

    assert_eq!(letter.subject, "Choose a new password for Portcullis");
    assert_eq!(
        letter.text,
        "Hello Ada,\n\n\
         somebody asked for a new password for your account. If that was you, choose one here:\n\n\
         https://portal.example/reset?token=abc\n\n\
         The link works once, for a short time. If it was not you, ignore this mail: your password stays as it is.\n\n\
         -- \nPortcullis\nNobody reads answers to this mail."
    );
}
