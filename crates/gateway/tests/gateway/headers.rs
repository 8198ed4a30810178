//! Header hygiene in both directions: RFC 9110 section 7.6, and what a caller may not say about itself.

use portcullis_core::{access_token::verify, address_policy::Network, test_util::rules};

use crate::support::{Call, Plan, Provider, Scene, ok};

fn seen_after(call: impl FnOnce(&Scene) -> Call) -> crate::support::Message {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let answer = scene.caller().ask(&call(&scene));
    assert_eq!(answer.status(), 200, "{answer:?}");
    provider.seen()
}

#[test]
fn the_provider_gets_a_token_of_its_own_and_never_the_apps() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let app_token = scene.token("app-key");
    let call = Call::new(
        "GET",
        &format!("/cars/v1/x?access_token={}", &app_token[..9]),
    )
    .field("authorization", &format!("bearer {app_token}"))
    .field("subscription-id", "subscription");

    assert_eq!(scene.caller().ask(&call).status(), 200);

    let seen = provider.seen();
    let theirs = seen
        .field("authorization")
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap();
    assert!(!format!("{seen:?}").contains(&app_token));
    let payload = theirs.split('.').nth(1).unwrap();
    let payload =
        base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload);
    let claims: serde_json::Value = serde_json::from_slice(&payload.unwrap()).unwrap();
    assert_eq!(
        (&claims["sub"], &claims["cid"]),
        (&"api-key".into(), &"api-key".into())
    );
    assert_eq!(claims["aud"], "api_providers");
    assert_eq!(claims["token_use"], "outbound");
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        300
    );
    assert!(
        verify(
            theirs,
            &scene.keys,
            &rules(),
            portcullis_core::test_util::NOW
        )
        .is_err()
    );
}

#[test]
fn fields_of_the_connection_stay_behind() {
    let seen = seen_after(|scene| {
        scene
            .call("GET", "/cars/v1/x")
            .field("Connection", "keep-alive, X-Hop")
            .field("connection", "x-second-hop")
            .field("X-Hop", "1")
            .field("X-Second-Hop", "1")
            .field("Keep-Alive", "timeout=5")
            .field("TE", "trailers")
            .field("Trailer", "X-Sum")
            .field("Upgrade", "h2c, websocket")
            .field("HTTP2-Settings", "AAMAAABkAAQAAP__")
            .field("Proxy-Authorization", "Basic eDp5")
            .field("Proxy-Connection", "keep-alive")
            .field("X-Kept", "1")
    });

    for name in [
        "connection",
        "x-hop",
        "x-second-hop",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "proxy-authorization",
        "proxy-connection",
    ] {
        assert_eq!(seen.values(name), [""; 0], "{name}");
    }
    assert_eq!(seen.field("x-kept"), Some("1"));
}

#[test]
fn a_connection_field_cannot_strip_what_is_protected() {
    for options in [
        "Subscription-Id",
        "subscription-id",
        "close, Subscription-Id",
        "Subscription-Id,close",
        "keep-alive , subscription-ID ,",
        "Authorization, Subscription-Id, Request-Id, X-Forwarded-For, Forwarded, Via, CDN-Loop, Host",
        ",,Subscription-Id",
        "\tSubscription-Id\t",
    ] {
        let seen = seen_after(|scene| {
            scene
                .call("GET", "/cars/v1/x")
                .field("Connection", options)
                .field("Request-Id", "mine")
        });

        assert_eq!(
            seen.field("subscription-id"),
            Some("subscription"),
            "{options}"
        );
        assert!(
            seen.field("authorization").unwrap().starts_with("Bearer "),
            "{options}"
        );
        assert_eq!(seen.field("request-id"), Some("mine"), "{options}");
        for name in ["x-forwarded-for", "forwarded", "via", "cdn-loop", "host"] {
            assert!(seen.field(name).is_some(), "{options}: {name}");
        }
    }
}

#[test]
fn what_a_caller_says_about_itself_is_replaced() {
    let seen = seen_after(|scene| {
        let forged = [
            ("X-Forwarded-For", "10.0.0.1"),
            ("X-Forwarded-For", "10.0.0.2"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-User", "root"),
            ("X-Forwarded-Prefix", "/admin"),
            ("Forwarded", "for=10.0.0.1;host=evil.example"),
            ("X-Real-IP", "10.0.0.1"),
            ("True-Client-IP", "10.0.0.1"),
            ("X-Client-IP", "10.0.0.1"),
            ("X-Original-URL", "/admin"),
            ("X-Rewrite-URL", "/admin"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("Remote-User", "root"),
            ("X-Remote-User", "root"),
            ("Client-Cert", ":x:"),
            ("DPoP", "proof"),
            ("Early-Data", "1"),
            ("Via", "1.0 forged"),
        ];
        let call = scene.call("GET", "/cars/v1/x");
        forged
            .iter()
            .fold(call, |call, (name, value)| call.field(name, value))
    });

    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.field("x-forwarded-host"), Some("gateway.example"));
    assert_eq!(
        seen.field("forwarded"),
        Some(r#"for=127.0.0.1;host="gateway.example";proto=http"#)
    );
    assert_eq!(seen.field("via"), Some("1.1 portcullis"));
    let text = format!("{seen:?}");
    for forged in [
        "10.0.0",
        "evil",
        "root",
        "/admin",
        "DELETE",
        "proof",
        "forged",
        "early-data",
    ] {
        assert!(!text.contains(forged), "{forged}");
    }
}

#[test]
fn a_listed_proxys_word_is_extended() {
    let provider = Provider::answering(ok(""));
    let mut plan = Plan::to(&provider.url());
    plan.settings.trusted_proxies = vec![Network::parse("127.0.0.0/8").unwrap()];
    let scene = plan.start();

    scene.caller().ask(
        &scene
            .call("GET", "/cars/v1/x")
            .field("X-Forwarded-For", "192.0.2.7")
            .field("X-Forwarded-Proto", "https")
            .field("Forwarded", "for=192.0.2.7"),
    );

    let seen = provider.seen();
    assert_eq!(seen.field("x-forwarded-for"), Some("192.0.2.7, 127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
    let forwarded = seen.field("forwarded").unwrap();
    assert!(
        forwarded.starts_with("for=192.0.2.7, for=127.0.0.1;"),
        "{forwarded}"
    );
}

#[test]
fn forged_fields_open_nothing_without_a_token() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    for (name, value) in [
        ("X-Forwarded-For", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("X-Original-URL", "/cars/v1/x"),
        ("X-HTTP-Method-Override", "GET"),
        ("X-Remote-User", "app"),
    ] {
        let call = scene
            .call("GET", "/cars/v1/x")
            .without("Authorization")
            .field(name, value);

        let answer = scene.caller().ask(&call);

        assert_eq!(
            answer.refusal(),
            (401, "MISSING-AUTHORIZATION".to_owned()),
            "{name}"
        );
    }
    assert!(provider.saw_nothing());
}

#[test]
fn a_name_that_imitates_a_protected_one_is_refused() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);

    for name in [
        "Subscription_Id",
        "SUBSCRIPTION_ID",
        "Authorization_",
        "X_Forwarded_For",
        "X-Forwarded_Host",
        "X_Real_IP",
        "Request_Id",
        "Remote.User",
        "Proxy_User",
        "Content_Length",
        "Transfer_Encoding",
    ] {
        let answer = scene
            .caller()
            .ask(&scene.call("GET", "/cars/v1/x").field(name, "1"));

        let expected = if name == "Authorization_" { 200 } else { 400 };
        assert_eq!(answer.status(), expected, "{name}");
    }
}

#[test]
fn other_names_with_underscores_are_dropped() {
    let seen = seen_after(|scene| {
        scene
            .call("GET", "/cars/v1/x")
            .field("x_custom", "1")
            .field("X-Custom", "2")
    });

    assert_eq!(seen.values("x_custom"), [""; 0]);
    assert_eq!(seen.field("x-custom"), Some("2"));
}

#[test]
fn an_answers_fields_of_the_connection_and_of_the_host_stay_behind() {
    let provider = Provider::answering(
        "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\n\
         Upgrade: h2c\r\nTrailer: X-Sum\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d; Domain=gateway.example\r\n\
         Alt-Svc: h3=\":443\"\r\nClear-Site-Data: \"*\"\r\nRequest-Id: theirs\r\nETag: \"1\"\r\nContent-Length: 0\r\n\r\n",
    );
    let scene = Scene::before(&provider);

    let answer = scene
        .caller()
        .ask(&scene.call("GET", "/cars/v1/x").field("Request-Id", "mine"));

    for name in [
        "x-hop",
        "keep-alive",
        "proxy-authenticate",
        "upgrade",
        "trailer",
        "set-cookie",
        "alt-svc",
        "clear-site-data",
    ] {
        assert_eq!(answer.values(name), [""; 0], "{name}");
    }
    assert_eq!(answer.field("request-id"), Some("mine"));
    assert_eq!(answer.field("etag"), Some("\"1\""));
}

#[test]
fn an_instance_may_let_cookies_through() {
    let provider = Provider::answering(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 0\r\n\r\n",
    );
    let mut plan = Plan::to(&provider.url());
    plan.instance.policy.pass_origin_fields = true;
    let scene = plan.start();

    assert_eq!(scene.get().values("set-cookie"), ["a=b", "c=d"]);
}

#[test]
fn a_request_id_is_taken_over_or_made() {
    for (given, is_taken) in [
        (Some("550e8400-e29b-41d4-a716-446655440000"), true),
        (Some("x"), true),
        (Some("with blank"), false),
        (Some("caf\u{e9}"), false),
        (None, false),
    ] {
        let provider = Provider::answering(ok(""));
        let scene = Scene::before(&provider);
        let mut call = scene.call("GET", "/cars/v1/x");
        if let Some(id) = given {
            call = call.field("Request-ID", id);
        }

        let answer = scene.caller().ask(&call);

        let echoed = answer.field("request-id").unwrap().to_owned();
        assert_eq!(provider.seen().field("request-id"), Some(echoed.as_str()));
        assert_eq!(given == Some(echoed.as_str()), is_taken, "{given:?}");
        if !is_taken {
            assert_eq!(uuid::Uuid::parse_str(&echoed).unwrap().get_version_num(), 4);
        }
    }
}

#[test]
fn an_upgrade_is_not_made() {
    let provider = Provider::answering(ok("plain"));
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();

    for protocol in ["websocket", "h2c", "TLS/1.2", "foo"] {
        let answer = caller.ask(
            &scene
                .call("GET", "/cars/v1/x")
                .field("Connection", "Upgrade")
                .field("Upgrade", protocol)
                .field("Sec-WebSocket-Key", "x"),
        );

        assert_eq!(
            (answer.status(), answer.text()),
            (200, "plain"),
            "{protocol}"
        );
        assert_eq!(provider.seen().values("upgrade"), [""; 0]);
    }
}
