//! `GET /v1/authorize`.

use crate::support::Server;

#[tokio::test]
async fn the_authorization_endpoint_says_which_flow_to_use_and_never_redirects() {
    let server = Server::start();

    let answer = server
        .get("/oauth2/default/v1/authorize?response_type=code&client_id=x&redirect_uri=https%3A%2F%2Fevil.example&state=s")
        .await;

    insta::assert_snapshot!(answer.shown(), @r#"
    400
    cache-control: no-store
    content-type: application/json
    pragma: no-cache

    {"error":"unsupported_response_type","error_description":"Use the client credentials flow: POST https://auth.example/oauth2/default/v1/token with grant_type=client_credentials."}
    "#);
    assert_eq!(answer.header("location"), "");
}
