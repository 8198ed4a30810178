//! `/account`: name, address, password, the second factor and passkeys.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use portcullis_core::{clock::Clock, organization::MemberRole};

use crate::support::{Browser, PASSWORD, World};

const ON: &str = "/account/security/authenticator";

/// The code of an authenticator app with this key (RFC 6238).
fn code(key: &str, unix_seconds: i64) -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut bits = String::new();
    for letter in key.chars() {
        let _ = write!(bits, "{:05b}", alphabet.find(letter).unwrap());
    }
    let byte = |bits: &[u8]| u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap();
    let secret: Vec<u8> = bits.as_bytes().chunks_exact(8).map(byte).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret);
    let step = u64::try_from(unix_seconds / 30).unwrap();
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[tag.len() - 1] & 15);
    let word: [u8; 4] = tag[at..at + 4].try_into().unwrap();
    format!(
        "{:06}",
        (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000
    )
}

fn between<'a>(html: &'a str, start: &str, end: &str) -> &'a str {
    html.split(start).nth(1).unwrap().split(end).next().unwrap()
}

async fn person(world: &World) -> Browser<'_> {
    let acme = world.organization("Acme").await;
    let ada = world
        .with_password("ada@example.com", vec![(acme, MemberRole::Owner)])
        .await;
    world.browser_of(&ada).await
}

#[tokio::test]
async fn two_factor_is_turned_on_with_a_code_and_off_again() {
    let world = World::new().await;
    let ada = person(&world).await;
    let page = ada.get(ON).await.expect(200);
    let key = between(&page.html, "data-copy=\"", "\"").to_owned();
    assert!(page.has("data:image/svg+xml;base64,") && page.has("otpauth://totp/"));

    let wrong = ada
        .send_form(&page, ON, &[("code", "000000")])
        .await
        .expect(422);
    assert!(!wrong.wrong("code").is_empty() && wrong.has(&key));
    let now = world.clock.now().unix_seconds();
    let on = ada
        .send_form(&wrong, ON, &[("code", &code(&key, now))])
        .await
        .expect(200);

    assert_eq!(on.html.matches("<li><code>").count(), 10);
    let first = between(&on.html, "<li><code>", "<").to_owned();
    let security = ada.get("/account/security").await.expect(200);
    assert!(security.has("10 not used yet") && !security.has(&first));
    assert_eq!(ada.get(ON).await.location(), "/account/security");

    let codes = "/account/security/recovery_codes";
    let renewed = ada.submit(codes, codes, &[]).await.expect(200);
    assert!(renewed.html.matches("<li><code>").count() == 10 && !renewed.has(&first));
    let off = "/account/security/authenticator/off";
    assert_eq!(
        ada.submit(off, off, &[]).await.location(),
        "/account/security"
    );
    assert!(ada.get("/account/security").await.has("Two-factor is off."));
}

#[tokio::test]
async fn what_is_sensitive_takes_a_recent_proof() {
    let world = World::new().await;
    let ada = person(&world).await;
    world.clock.advance(std::time::Duration::from_mins(11));

    for path in [
        "/account/email",
        ON,
        "/account/security/authenticator/off",
        "/account/security/recovery_codes",
        "/account/security/passkeys/new",
    ] {
        let to = ada.get(path).await;
        assert!(
            to.location().starts_with("/prove?next=%2Faccount"),
            "{path}"
        );
    }
    ada.submit(
        "/prove?next=/account/email",
        "/prove",
        &[("password", PASSWORD)],
    )
    .await
    .location();
    ada.get("/account/email").await.expect(200);
}

#[tokio::test]
async fn the_password_is_changed_with_the_present_one() {
    let world = World::new().await;
    let ada = person(&world).await;
    let path = "/account/password";
    let new = "some other words entirely";

    let wrong = ada
        .submit(
            path,
            path,
            &[("current_password", "nonsense"), ("password", new)],
        )
        .await
        .expect(422);
    let short = ada
        .submit(
            path,
            path,
            &[("current_password", PASSWORD), ("password", "short")],
        )
        .await
        .expect(422);
    let done = ada
        .submit(
            path,
            path,
            &[("current_password", PASSWORD), ("password", new)],
        )
        .await;

    assert!(!wrong.wrong("current_password").is_empty() && !wrong.has("nonsense"));
    assert!(!short.wrong("password").is_empty());
    assert_eq!(done.location(), path);
    let visitor = world.visitor();
    let values = [("email", "ada@example.com"), ("password", new)];
    assert_eq!(
        visitor.submit("/login", "/login", &values).await.location(),
        "/"
    );
}

#[tokio::test]
async fn name_and_address_are_changed() {
    let world = World::new().await;
    let ada = person(&world).await;

    let refused = ada
        .submit("/account", "/account", &[("full_name", "")])
        .await
        .expect(422);
    ada.submit("/account", "/account", &[("full_name", "Ada King")])
        .await
        .location();
    let odd = ada
        .submit("/account/email", "/account/email", &[("email", "nonsense")])
        .await
        .expect(422);
    let same = ada
        .submit(
            "/account/email",
            "/account/email",
            &[("email", "ADA@example.com")],
        )
        .await
        .expect(422);
    let sent = ada
        .submit(
            "/account/email",
            "/account/email",
            &[("email", "ada.king@example.com")],
        )
        .await;

    assert!(!refused.wrong("full_name").is_empty());
    assert!(!odd.wrong("email").is_empty() && !same.wrong("email").is_empty());
    assert_eq!(sent.location(), "/account");
    let page = ada.get("/account").await.expect(200);
    assert!(page.has("Ada King") && page.has("We sent a link to ada.king@example.com"));
    assert!(page.has("<strong>ada@example.com</strong>"));
}

#[tokio::test]
async fn a_passkey_is_asked_for_and_nonsense_refused() {
    let world = World::new().await;
    let ada = person(&world).await;
    let new = "/account/security/passkeys/new";
    let page = ada.get(new).await.expect(200);
    let begin = "/account/security/passkeys/begin";
    let csrf = page
        .form(new)
        .into_iter()
        .find(|(name, _)| name == "_csrf")
        .unwrap();

    let begun = ada.post_as_is(begin, &[csrf], &[]).await.expect(200);
    let options: serde_json::Value = serde_json::from_str(&begun.html).unwrap();
    let pending = options["pending"].as_str().unwrap();
    let nothing = ada
        .send_form(&page, new, &[("name", "Laptop")])
        .await
        .expect(422);
    let nonsense = [
        ("name", "Laptop"),
        ("pending", pending),
        ("answer", "{\"id\":\"x\"}"),
    ];
    let refused = ada.send_form(&page, new, &nonsense).await.expect(422);

    assert_eq!(options["options"]["publicKey"]["rp"]["id"], "localhost");
    assert!(nothing.has("value=\"Laptop\"") && refused.has("value=\"Laptop\""));
    let unknown = "/account/security/passkeys/00000000-0000-4000-8000-000000000000";
    ada.get(unknown).await.expect(404);
}
