use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::{
    keys::KeyState,
    test_util::{ISSUER, NOW, a_key, a_token, current_keys, rules},
};

/// Signs any header and payload with the current client key.
fn forge(header: &Value, payload: &Value) -> String {
    forge_bytes(
        header.to_string().as_bytes(),
        payload.to_string().as_bytes(),
    )
}

fn forge_bytes(header: &[u8], payload: &[u8]) -> String {
    let keys = current_keys();
    let key = keys.signing(KeyPurpose::Client).unwrap();
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = key.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn good_header() -> Value {
    json!({"alg": "RS256", "typ": "JWT", "kid": current_keys().signing(KeyPurpose::Client).unwrap().id().as_str()})
}

fn good_payload() -> Value {
    let now = NOW.unix_seconds();
    json!({"cid": "app", "sub": "app", "jti": "AT.x", "scp": ["anonymous"], "iat": now,
           "exp": now + 3600, "aud": "api_providers", "iss": ISSUER, "gen": 0})
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn check(token: &str) -> Result<VerifiedToken, VerifyError> {
    verify(token, &current_keys(), &rules(), NOW)
}

#[test]
fn a_token_of_ours_has_the_platforms_claims_in_order_and_verifies() {
    let keys = current_keys();

    let token = a_token(&keys, "app");

    let payload = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    let members: Members = serde_json::from_slice(&payload).unwrap();
    let names: Vec<&str> = members.0.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "cid", "jti", "scp", "sub", "iat", "exp", "aud", "iss", "gen"
        ]
    );
    let jti = members.text("jti").unwrap();
    assert!(jti.starts_with("AT.") && jti.len() == 46, "{jti}");
    assert_eq!(check(&token).unwrap().client(), IdKey::of("app"));
}

#[test]
fn two_tokens_are_never_the_same() {
    let keys = current_keys();

    assert_ne!(a_token(&keys, "app"), a_token(&keys, "app"));
}

#[test]
fn another_library_verifies_our_tokens() {
    let keys = current_keys();
    let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_str(keys.jwks()).unwrap();
    let token = a_token(&keys, "app");
    let header = jsonwebtoken::decode_header(&token).unwrap();
    let key =
        jsonwebtoken::DecodingKey::from_jwk(jwks.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_audience(&["api_providers"]);
    validation.set_issuer(&[ISSUER]);
    validation.validate_exp = false;

    let decoded = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();

    assert_eq!(decoded.claims["sub"], "app");
}

#[test]
fn an_algorithm_or_type_of_another_kind_is_refused() {
    assert!(check(&forge(&good_header(), &good_payload())).is_ok());
    for alg in [
        "none", "None", "NONE", "nOnE", "HS256", "HS512", "PS256", "ES256", "RS512", "rs256", "",
    ] {
        assert_eq!(
            check(&forge(
                &with(good_header(), "alg", json!(alg)),
                &good_payload()
            )),
            Err(VerifyError::Header)
        );
    }
    for typ in ["at+jwt", "jwt", "id_token", "dpop+jwt", "logout+jwt", ""] {
        assert_eq!(
            check(&forge(
                &with(good_header(), "typ", json!(typ)),
                &good_payload()
            )),
            Err(VerifyError::Header)
        );
    }
    for (name, value) in [
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("jwk", json!({"kty": "RSA"})),
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["MII"])),
        ("alg", json!(1)),
        ("kid", json!(7)),
        ("kid", json!(["a"])),
        ("kid", Value::Null),
        ("kid", json!("x".repeat(65))),
    ] {
        assert_eq!(
            check(&forge(&with(good_header(), name, value), &good_payload())),
            Err(VerifyError::Header)
        );
    }
}

#[test]
fn a_key_of_another_purpose_or_unknown_is_refused() {
    let keys = current_keys();
    let outbound = keys.signing(KeyPurpose::Outbound).unwrap();
    let claims = OutboundTokenClaims {
        client_id: &ClientId::parse("api").unwrap(),
        api_instance: &InstanceId::random(),
        issued_at: NOW,
        lifetime: Duration::from_mins(5),
    };
    let token = sign_outbound(&rules(), outbound, &claims).unwrap();

    assert_eq!(check(&token), Err(VerifyError::UnknownKey));
    for kid in [
        "../../etc/passwd",
        "' or 1=1 --",
        "a\u{0}b",
        "http://evil.example",
        "",
    ] {
        assert_eq!(
            check(&forge(
                &with(good_header(), "kid", json!(kid)),
                &good_payload()
            )),
            Err(VerifyError::UnknownKey)
        );
    }
}

#[test]
fn a_signature_of_another_key_under_a_good_kid_is_refused() {
    let other = a_key(KeyPurpose::Client, KeyState::Current);
    let token = forge(&good_header(), &good_payload());
    let (signed, _) = token.rsplit_once('.').unwrap();
    let resigned = format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(other.sign(signed.as_bytes()).unwrap())
    );

    assert_eq!(check(&resigned), Err(VerifyError::Signature));
}

#[test]
fn a_claim_of_the_wrong_type_is_never_treated_as_absent() {
    for name in ["exp", "iat", "nbf"] {
        for value in [
            json!("1767229200"),
            Value::Null,
            json!(1e300),
            json!({}),
            json!(-1),
            json!(1.5),
            json!([1]),
            json!(999_999_999_999_i64),
        ] {
            let token = forge(&good_header(), &with(good_payload(), name, value.clone()));
            assert_eq!(check(&token), Err(VerifyError::Malformed), "{name} {value}");
        }
    }
    for name in ["sub", "cid"] {
        for value in [json!(""), json!(7), Value::Null, json!("another")] {
            let token = forge(&good_header(), &with(good_payload(), name, value.clone()));
            assert_eq!(check(&token), Err(VerifyError::Malformed), "{name} {value}");
        }
    }
    for value in [json!("0"), json!(-1), Value::Null, json!(4_294_967_295_u64)] {
        let token = forge(&good_header(), &with(good_payload(), "gen", value));
        assert_eq!(check(&token), Err(VerifyError::Malformed));
    }
}

#[test]
fn a_claim_that_is_missing_is_refused() {
    for name in ["exp", "iat", "sub", "cid", "gen", "iss", "aud"] {
        let mut payload = good_payload();
        payload.as_object_mut().unwrap().remove(name);
        let expected = if name == "aud" {
            VerifyError::Audience
        } else {
            VerifyError::Malformed
        };
        assert_eq!(
            check(&forge(&good_header(), &payload)),
            Err(expected),
            "{name}"
        );
    }
}

#[test]
fn issuer_audience_and_times_have_their_own_errors() {
    let now = NOW.unix_seconds();
    for (name, value, error) in [
        ("iss", json!(format!("{ISSUER}/")), VerifyError::Issuer),
        ("iss", json!(ISSUER.to_uppercase()), VerifyError::Issuer),
        ("iss", json!([ISSUER]), VerifyError::Malformed),
        ("aud", json!("fortress"), VerifyError::Audience),
        ("aud", json!(["api_providers"]), VerifyError::Audience),
        ("aud", json!(""), VerifyError::Audience),
        ("exp", json!(now), VerifyError::Expired),
        ("exp", json!(0), VerifyError::Expired),
        ("nbf", json!(now + 61), VerifyError::NotYetValid),
        ("iat", json!(now + 61), VerifyError::NotYetValid),
    ] {
        let token = forge(&good_header(), &with(good_payload(), name, value));
        assert_eq!(check(&token), Err(error), "{name}");
    }
    for (name, value) in [
        ("exp", json!(now + 1)),
        ("nbf", json!(now + 60)),
        ("iat", json!(now + 60)),
    ] {
        assert!(
            check(&forge(&good_header(), &with(good_payload(), name, value))).is_ok(),
            "{name}"
        );
    }
}

#[test]
fn an_alien_issuer_is_told_before_the_alien_key() {
    let other = KeySet::new(vec![a_key(KeyPurpose::Client, KeyState::Current)]);
    let claims = ClientTokenClaims {
        client_id: "app",
        scope: "anonymous",
        issued_at: NOW,
        lifetime: Duration::from_mins(1),
        generation: 0,
    };
    let alien = TokenRules::new("https://other.example/oauth2/x", "api_providers");
    let token =
        sign_for_client(&alien, other.signing(KeyPurpose::Client).unwrap(), &claims).unwrap();

    assert_eq!(check(&token), Err(VerifyError::Issuer));
}

#[test]
fn a_member_that_stands_twice_is_refused() {
    let header = good_header().to_string();
    let payload = good_payload().to_string();
    let doubled = |json: &str, member: &str| json.replacen('{', &format!("{{{member},"), 1);

    let twice_header = forge_bytes(
        doubled(&header, r#""alg":"none""#).as_bytes(),
        payload.as_bytes(),
    );
    let twice_payload = forge_bytes(
        header.as_bytes(),
        doubled(&payload, r#""sub":"other""#).as_bytes(),
    );
    let twice_unknown = forge_bytes(
        header.as_bytes(),
        doubled(&payload, r#""x":1,"x":2"#).as_bytes(),
    );

    for token in [twice_header, twice_payload, twice_unknown] {
        assert_eq!(check(&token), Err(VerifyError::Malformed));
    }
}

#[test]
fn what_is_not_three_canonical_parts_is_refused() {
    let good = forge(&good_header(), &good_payload());
    let parts: Vec<&str> = good.split('.').collect();
    let last = good.chars().last().unwrap();
    let other_last = if last == 'A' { 'B' } else { 'A' };
    let bad = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        parts[0].to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!(".{}.{}", parts[1], parts[2]),
        format!("{good}.{}", parts[2]),
        format!("{}.{}.{}", parts[1], parts[0], parts[2]),
        format!("{good}="),
        format!("{good} "),
        format!(" {good}"),
        good.replace('.', ". "),
        good.replacen('e', "+", 1),
        format!("{good}A"),
        format!("{}A", &good[..good.len() - 1].to_owned()),
        format!("{}{other_last}", &good[..good.len() - 1]),
        format!(
            "{}.{}.{}",
            parts[0],
            parts[1],
            URL_SAFE_NO_PAD.encode([0; 256])
        ),
        format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode([])),
        "x".repeat(9_000),
        json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string(),
    ];

    for token in bad {
        if token == good {
            continue;
        }
        assert!(check(&token).is_err(), "{token}");
    }
    for header in [
        &b"[]"[..],
        b"1",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe",
        b"null",
        b"{",
    ] {
        assert_eq!(
            check(&forge_bytes(header, good_payload().to_string().as_bytes())),
            Err(VerifyError::Malformed)
        );
    }
    let deep = "[".repeat(5_000);
    assert_eq!(
        check(&forge_bytes(format!(r#"{{"alg":{deep}"#).as_bytes(), b"{}")),
        Err(VerifyError::Malformed)
    );
}

#[test]
fn a_cached_token_is_refused_when_its_key_or_rules_have_gone() {
    let keys = current_keys();
    let token = check(&a_token(&keys, "app")).unwrap();

    assert_eq!(token.recheck(&keys, &rules(), NOW), Ok(()));
    let rotated = KeySet::new(vec![a_key(KeyPurpose::Client, KeyState::Current)]);
    assert_eq!(
        token.recheck(&rotated, &rules(), NOW),
        Err(VerifyError::UnknownKey)
    );
    let moved = TokenRules::new("https://auth.example/oauth2/other", "api_providers");
    assert_eq!(token.recheck(&keys, &moved, NOW), Err(VerifyError::Issuer));
    let elsewhere = TokenRules::new(ISSUER, "others");
    assert_eq!(
        token.recheck(&keys, &elsewhere, NOW),
        Err(VerifyError::Audience)
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_token_with_any_bit_flipped_is_refused(at in 0_usize..10_000, bit in 0_u8..8) {
        static GOOD: std::sync::LazyLock<(Arc<KeySet>, String)> = std::sync::LazyLock::new(|| {
            let keys = current_keys();
            let token = a_token(&keys, "app");
            (Arc::new(keys), token)
        });
        let (keys, good) = &*GOOD;
        let mut bytes = good.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(token) = std::str::from_utf8(&bytes) {
            proptest::prop_assert!(verify(token, keys, &rules(), NOW).is_err());
        }
    }
}
