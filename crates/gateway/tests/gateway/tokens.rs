//! Which tokens open the gateway.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis_core::{
    access_token::{ClientTokenClaims, TokenRules, sign_for_client},
    keys::{KeyPurpose, KeyState},
    test_util::{ISSUER, NOW, a_key},
};

use crate::support::{Call, Provider, Scene, ok};

/// What a call with this `Authorization` is answered.
fn answered(scene: &Scene, authorization: &str) -> (u16, String) {
    let call = scene
        .call("GET", "/cars/v1/x")
        .with("Authorization", authorization);
    let answer = scene.caller().ask(&call);
    if answer.status() == 200 {
        return (200, String::new());
    }
    if answer.status() == 401 {
        let challenge = answer.field("www-authenticate").unwrap();
        assert!(
            challenge.starts_with("Bearer error=\"invalid_token\""),
            "{challenge}"
        );
    }
    answer.refusal()
}

fn invalid() -> (u16, String) {
    (401, "INVALID-TOKEN".to_owned())
}

/// A token of ours with another payload or header, signed by the right key.
fn signed(scene: &Scene, header: &str, payload: &str) -> String {
    let key = scene.keys.signing(KeyPurpose::Client).unwrap();
    let header = header.replace("KID", key.id().as_str());
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

const HEADER: &str = r#"{"alg":"RS256","typ":"JWT","kid":"KID"}"#;

fn payload(changes: &str) -> String {
    let mut claims = serde_json::json!({
        "cid": "app-key", "sub": "app-key", "jti": "AT.x", "scp": ["anonymous"], "iss": ISSUER,
        "aud": "api_providers", "iat": NOW.unix_seconds(), "exp": NOW.unix_seconds() + 3600, "gen": 0,
    });
    let changes: serde_json::Value = serde_json::from_str(changes).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.to_string()
}

#[test]
fn a_good_token_opens_whatever_case_its_scheme_is_in() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let token = scene.token("app-key");

    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(
            answered(&scene, &format!("{scheme} {token}")).0,
            200,
            "{scheme}"
        );
    }
    assert_eq!(
        answered(
            &scene,
            &format!("Bearer {}", signed(&scene, HEADER, &payload("{}")))
        )
        .0,
        200
    );
}

#[test]
fn without_authorization_no_error_is_named() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let token = scene.token("app-key");
    let bare = Call::new("GET", "/cars/v1/x").field("Subscription-Id", "subscription");

    for call in [
        bare.clone(),
        Call::new("GET", &format!("/cars/v1/x?access_token={token}")),
        bare.clone()
            .field("Cookie", &format!("access_token={token}")),
        bare.clone()
            .field("Proxy-Authorization", &format!("Bearer {token}")),
        bare.clone()
            .field("Sec-WebSocket-Protocol", &format!("bearer, {token}")),
        bare.clone()
            .field("X-Authorization", &format!("Bearer {token}")),
        Call::new("POST", "/cars/v1/x")
            .field("Content-Type", "application/x-www-form-urlencoded")
            .body(format!("access_token={token}").as_bytes()),
    ] {
        let answer = scene.caller().ask(&call);

        assert_eq!(answer.refusal(), (401, "MISSING-AUTHORIZATION".to_owned()));
        assert_eq!(answer.field("www-authenticate"), Some("Bearer"));
    }
    assert!(provider.saw_nothing());
}

#[test]
fn two_authorization_fields_are_refused_in_any_order() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let good = format!("Bearer {}", scene.token("app-key"));

    for second in [good.as_str(), "Bearer x", "Basic eDp5", ""] {
        let call = scene
            .call("GET", "/cars/v1/x")
            .field("authorization", second);

        assert_eq!(
            scene.caller().ask(&call).refusal(),
            (400, "INVALID-REQUEST".to_owned())
        );
    }
    let joined = answered(&scene, &format!("{good}, {good}"));
    assert_eq!(joined, invalid());
}

#[test]
fn what_is_no_token_of_ours_is_refused() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let good = scene.token("app-key");
    let parts: Vec<&str> = good.split('.').collect();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);

    for token in [
        String::new(),
        "x".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{good}.{good}"),
        format!("{good}="),
        format!("{good}A"),
        good[..good.len() - 1].to_owned(),
        format!("{}.{}.{}", parts[1], parts[0], parts[2]),
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode("{}"), parts[2]),
        good.replace('.', ". "),
        format!("{good}\u{fc}"),
        "A".repeat(9_000),
    ] {
        assert_eq!(
            answered(&scene, &format!("Bearer {token}")),
            invalid(),
            "{token}"
        );
    }
    for other in ["Basic eDp5", "Bearer", "Digest x", &good] {
        assert_eq!(answered(&scene, other), invalid(), "{other}");
    }
    assert!(provider.saw_nothing());
}

#[test]
fn an_altered_copy_of_a_token_just_accepted_is_refused() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let good = scene.token("app-key");
    assert_eq!(answered(&scene, &format!("Bearer {good}")).0, 200);

    for at in (0..good.len()).step_by(37) {
        let mut altered = good.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();

        let (status, _) = answered(&scene, &format!("Bearer {altered}"));

        assert_eq!(status, 401, "at {at}");
    }
}

#[test]
fn each_claim_that_is_wrong_has_its_code() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let now = NOW.unix_seconds();

    for (changes, code) in [
        (format!(r#"{{"exp":{now}}}"#), "TOKEN-EXPIRED"),
        (r#"{"exp":0}"#.to_owned(), "TOKEN-EXPIRED"),
        (r#"{"exp":"9999999999"}"#.to_owned(), "INVALID-TOKEN"),
        (r#"{"exp":null}"#.to_owned(), "INVALID-TOKEN"),
        (r#"{"exp":-1}"#.to_owned(), "INVALID-TOKEN"),
        (r#"{"exp":{}}"#.to_owned(), "INVALID-TOKEN"),
        (format!(r#"{{"nbf":{}}}"#, now + 61), "INVALID-TOKEN"),
        (r#"{"nbf":"0"}"#.to_owned(), "INVALID-TOKEN"),
        (format!(r#"{{"iat":{}}}"#, now + 61), "INVALID-TOKEN"),
        (
            r#"{"iss":"https://other.example"}"#.to_owned(),
            "TOKEN-ISSUER-MISMATCH",
        ),
        (
            format!(r#"{{"iss":"{}"}}"#, ISSUER.to_uppercase()),
            "TOKEN-ISSUER-MISMATCH",
        ),
        (format!(r#"{{"iss":"{ISSUER}/"}}"#), "TOKEN-ISSUER-MISMATCH"),
        (format!(r#"{{"iss":["{ISSUER}"]}}"#), "INVALID-TOKEN"),
        (
            r#"{"aud":"fortress"}"#.to_owned(),
            "TOKEN-AUDIENCE-MISMATCH",
        ),
        (r#"{"aud":""}"#.to_owned(), "TOKEN-AUDIENCE-MISMATCH"),
        (
            r#"{"aud":["api_providers"]}"#.to_owned(),
            "TOKEN-AUDIENCE-MISMATCH",
        ),
        (r#"{"sub":""}"#.to_owned(), "INVALID-TOKEN"),
        (r#"{"sub":7}"#.to_owned(), "INVALID-TOKEN"),
        (
            r#"{"sub":"other","cid":"app-key"}"#.to_owned(),
            "INVALID-TOKEN",
        ),
        (
            r#"{"sub":"nobody","cid":"nobody"}"#.to_owned(),
            "INVALID-TOKEN",
        ),
    ] {
        let token = signed(&scene, HEADER, &payload(&changes));

        let refused = answered(&scene, &format!("Bearer {token}"));

        assert_eq!(refused, (401, code.to_owned()), "{changes}");
    }
    assert!(provider.saw_nothing());
}

#[test]
fn a_header_that_we_do_not_make_is_refused() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);

    for header in [
        r#"{"alg":"HS256","typ":"JWT","kid":"KID"}"#,
        r#"{"alg":"rs256","typ":"JWT","kid":"KID"}"#,
        r#"{"alg":"PS256","typ":"JWT","kid":"KID"}"#,
        r#"{"alg":"RS512","typ":"JWT","kid":"KID"}"#,
        r#"{"alg":["RS256"],"typ":"JWT","kid":"KID"}"#,
        r#"{"typ":"JWT","kid":"KID"}"#,
        r#"{"alg":"RS256","typ":"JWT"}"#,
        r#"{"alg":"RS256","typ":"dpop+jwt","kid":"KID"}"#,
        r#"{"alg":"RS256","typ":"JWT","kid":"KID","crit":["x"],"x":1}"#,
        r#"{"alg":"RS256","typ":"JWT","kid":"KID","b64":false}"#,
        r#"{"alg":"RS256","typ":"JWT","kid":"KID","jku":"http://127.0.0.1/keys"}"#,
        r#"{"alg":"RS256","typ":"JWT","kid":"KID","jwk":{}}"#,
        r#"{"alg":"RS256","alg":"RS256","typ":"JWT","kid":"KID"}"#,
        r#"{"alg":"RS256","typ":"JWT","kid":"../../../etc/passwd"}"#,
        r#"{"alg":"RS256","typ":"JWT","kid":7}"#,
        r#"["RS256"]"#,
    ] {
        let token = signed(&scene, header, &payload("{}"));

        assert_eq!(
            answered(&scene, &format!("Bearer {token}")),
            invalid(),
            "{header}"
        );
    }
    let repeated = format!("{{\"exp\":9999999999,{}", &payload("{}")[1..]);
    let token = signed(&scene, HEADER, &repeated);
    assert_eq!(answered(&scene, &format!("Bearer {token}")), invalid());
}

#[test]
fn a_token_of_another_key_is_refused_whatever_it_says() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let claims = ClientTokenClaims {
        client_id: "app-key",
        scope: "anonymous",
        issued_at: NOW,
        lifetime: std::time::Duration::from_hours(1),
        generation: 0,
    };
    let rules = TokenRules::new(ISSUER, "api_providers");

    for key in [
        a_key(KeyPurpose::Client, KeyState::Current),
        scene.keys.signing(KeyPurpose::Outbound).unwrap().clone(),
    ] {
        let token = sign_for_client(&rules, &key, &claims).unwrap();

        assert_eq!(answered(&scene, &format!("Bearer {token}")), invalid());
    }
}

#[test]
fn a_token_a_provider_received_opens_nothing() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    assert_eq!(scene.get().status(), 200);
    let captured = provider.seen().field("authorization").unwrap().to_owned();

    let replayed = [answered(&scene, &captured), answered(&scene, &captured), {
        let call = scene
            .call("GET", "/cars/v1/x")
            .with("Authorization", &captured)
            .with("Subscription-Id", "api-production");
        scene.caller().ask(&call).refusal()
    }];

    assert_eq!(replayed, [invalid(), invalid(), invalid()]);
    assert!(provider.saw_nothing());
}

#[test]
fn a_cached_token_still_expires() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();
    let call = scene.call("GET", "/cars/v1/x");
    assert_eq!(caller.ask(&call).status(), 200);

    scene.clock.advance(std::time::Duration::from_secs(3_599));
    assert_eq!(caller.ask(&call).status(), 200);
    scene.clock.advance(std::time::Duration::from_secs(1));

    assert_eq!(
        caller.ask(&call).refusal(),
        (401, "TOKEN-EXPIRED".to_owned())
    );
}

#[test]
fn an_apis_own_client_tests_itself() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let call = |id| {
        scene
            .call("GET", "/cars/v1/x")
            .with(
                "Authorization",
                &format!("Bearer {}", scene.token("api-key")),
            )
            .with("Subscription-Id", id)
    };

    assert_eq!(scene.caller().ask(&call("api-production")).status(), 200);
    let refused = scene.caller().ask(&call("subscription")).refusal();

    assert_eq!(refused, (403, "SUBSCRIPTION-MISMATCH".to_owned()));
}
