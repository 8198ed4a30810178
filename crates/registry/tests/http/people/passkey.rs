//! Passkeys, with an authenticator of a few lines that signs as a real one does.

use std::time::Duration;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis_core::job::Mail;
use portcullis_registry::people::{Ceremony, PeopleError, sign_in::SignIn};
use serde_json::{Value, json};

use super::{Town, done, fields, visit};

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const WITH_KEY: u8 = 0x40;

/// Holds one passkey.
struct Authenticator {
    key: EcdsaKeyPair,
    id: Vec<u8>,
    owner: String,
    count: u32,
    flags: u8,
    origin: &'static str,
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Authenticator {
    fn new() -> Self {
        Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            id: vec![7; 32],
            owner: String::new(),
            count: 0,
            flags: PRESENT | VERIFIED,
            origin: "http://localhost:8080",
        }
    }

    fn client_data(&self, kind: &str, options: &Value) -> String {
        json!({
            "type": kind,
            "challenge": options["publicKey"]["challenge"],
            "origin": self.origin,
            "crossOrigin": false,
        })
        .to_string()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let mut data = digest(&SHA256, b"localhost").as_ref().to_vec();
        data.push(flags);
        data.extend_from_slice(&self.count.to_be_bytes());
        data
    }

    /// What `navigator.credentials.create` gives.
    fn create(&mut self, options: &Value) -> Value {
        let user = options["publicKey"]["user"]["id"].as_str().unwrap();
        user.clone_into(&mut self.owner);
        let mut data = self.data(self.flags | WITH_KEY);
        data.extend_from_slice(&[0; 16]);
        data.extend_from_slice(&u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend_from_slice(&self.id);
        // COSE_Key: kty EC2, alg ES256, crv P-256, x, y.
        let point = self.key.public_key().as_ref();
        data.extend_from_slice(&[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend_from_slice(&point[1..33]);
        data.extend_from_slice(&[0x22, 0x58, 0x20]);
        data.extend_from_slice(&point[33..65]);
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).unwrap());
        object.extend_from_slice(&data);
        let client_data = self.client_data("webauthn.create", options);
        json!({
            "id": encoded(&self.id),
            "rawId": encoded(&self.id),
            "type": "public-key",
            "response": {
                "attestationObject": encoded(&object),
                "clientDataJSON": encoded(client_data.as_bytes()),
            },
        })
    }

    /// What `navigator.credentials.get` gives.
    fn get(&mut self, options: &Value) -> Value {
        self.count += 1;
        let data = self.data(self.flags);
        let client_data = self.client_data("webauthn.get", options);
        let mut signed = data.clone();
        signed.extend_from_slice(digest(&SHA256, client_data.as_bytes()).as_ref());
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": encoded(&self.id),
            "rawId": encoded(&self.id),
            "type": "public-key",
            "response": {
                "authenticatorData": encoded(&data),
                "clientDataJSON": encoded(client_data.as_bytes()),
                "signature": encoded(signature.as_ref()),
                "userHandle": self.owner,
            },
        })
    }
}

/// Ada with a passkey.
async fn with_passkey(town: &Town) -> Authenticator {
    town.person("ada@example.com", &[]).await;
    let (_, who) = town.signed_in("ada@example.com").await;
    let mut authenticator = Authenticator::new();
    let begun = town.people.begin_passkey(&who).await.unwrap();
    let answer = authenticator.create(&begun.options);
    let made = (begun.pending.expose(), "Laptop", &answer);
    town.people
        .finish_passkey(&who, made, &visit())
        .await
        .unwrap();
    authenticator
}

async fn sign_in(town: &Town, begun: &Ceremony, answer: &Value) -> Result<SignIn, PeopleError> {
    let pending = begun.pending.expose();
    town.people
        .sign_in_with_passkey(pending, answer, &visit())
        .await
}

#[tokio::test]
async fn a_passkey_signs_in_without_a_name_or_a_password() {
    let town = Town::new().await;
    let mut authenticator = with_passkey(&town).await;
    let told = town.mails().await;
    assert!(matches!(
        told.as_slice(),
        [(_, Mail::SecondFactorChanged { .. })]
    ));
    let begun = town.people.begin_passkey_sign_in(&visit()).await.unwrap();
    let options = &begun.options["publicKey"];
    assert_eq!(options["rpId"], "localhost");
    assert_eq!(options["userVerification"], "required");
    assert!(
        options["allowCredentials"]
            .as_array()
            .is_none_or(Vec::is_empty)
    );

    let answer = authenticator.get(&begun.options);
    let first = sign_in(&town, &begun, &answer).await;
    let replayed = sign_in(&town, &begun, &answer).await;

    let done = done(first);
    let who = town.found(done.cookie.expose()).await.unwrap();
    assert_eq!(who.user.email, "ada@example.com");
    assert!(matches!(replayed, Err(PeopleError::Ended)));
    let listed = town.people.passkeys(&who).await.unwrap();
    assert!(listed[0].name == "Laptop" && listed[0].last_used_at.is_some());
}

#[tokio::test]
async fn a_passkey_is_made_to_be_found_without_a_name_and_once() {
    let town = Town::new().await;
    let mut authenticator = with_passkey(&town).await;
    let (cookie, who) = town.signed_in("ada@example.com").await;
    let begun = town.people.begin_passkey(&who).await.unwrap();
    let options = &begun.options["publicKey"];
    assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(options["excludeCredentials"].as_array().unwrap().len(), 1);

    let answer = authenticator.create(&begun.options);
    let nameless = (begun.pending.expose(), "", &answer);
    let nameless = town.people.finish_passkey(&who, nameless, &visit()).await;
    let nonsense = json!({"id": 1});
    let nonsense = (begun.pending.expose(), "Laptop", &nonsense);
    let nonsense = town.people.finish_passkey(&who, nonsense, &visit()).await;

    assert_eq!(fields(nameless), ["name"]);
    assert_eq!(fields(nonsense), ["passkey"]);
    let again = (begun.pending.expose(), "Laptop", &answer);
    assert!(
        town.people
            .finish_passkey(&who, again, &visit())
            .await
            .is_err()
    );
    town.world.clock.advance(Duration::from_mins(11));
    let later = town.found(&cookie).await.unwrap();
    let late = town.people.begin_passkey(&later).await;
    assert!(matches!(late, Err(PeopleError::ProofNeeded)));
}

#[tokio::test]
async fn a_passkey_that_signs_less_often_than_before_is_refused_and_written_down() {
    let town = Town::new().await;
    let mut authenticator = with_passkey(&town).await;
    let begin = async || town.people.begin_passkey_sign_in(&visit()).await.unwrap();
    authenticator.count = 10;
    let begun = begin().await;
    let answer = authenticator.get(&begun.options);
    let user = done(sign_in(&town, &begun, &answer).await).user;

    authenticator.count = 4;
    let begun = begin().await;
    let copied = sign_in(&town, &begun, &authenticator.get(&begun.options)).await;

    assert!(
        matches!(copied, Err(PeopleError::WrongPasskey)),
        "{copied:?}"
    );
    let audited = town.audited(&user.id).await;
    assert!(
        audited
            .iter()
            .any(|(action, _)| action == "user.passkey_copied"),
        "{audited:?}"
    );
}

#[tokio::test]
async fn what_another_page_or_another_person_signed_is_refused() {
    let town = Town::new().await;
    let mut authenticator = with_passkey(&town).await;
    let begin = async || town.people.begin_passkey_sign_in(&visit()).await.unwrap();
    let refused = async |change: &dyn Fn(&mut Authenticator), held: &mut Authenticator| {
        let before = (held.flags, held.origin, held.owner.clone());
        change(held);
        let begun = begin().await;
        let answer = held.get(&begun.options);
        (held.flags, held.origin, held.owner) = before;
        let tried = sign_in(&town, &begun, &answer).await;
        assert!(matches!(tried, Err(PeopleError::WrongPasskey)), "{tried:?}");
    };

    refused(&|held| held.flags = PRESENT, &mut authenticator).await;
    refused(
        &|held| held.origin = "http://evil.example",
        &mut authenticator,
    )
    .await;
    refused(&|held| held.owner = encoded(&[9; 16]), &mut authenticator).await;
    let other_challenge = begin().await;
    let begun = begin().await;
    let answer = authenticator.get(&other_challenge.options);
    let tried = sign_in(&town, &begun, &answer).await;
    assert!(matches!(tried, Err(PeopleError::WrongPasskey)), "{tried:?}");
    let unknown = Authenticator::new();
    let mut unknown = Authenticator {
        id: vec![8; 32],
        owner: authenticator.owner.clone(),
        ..unknown
    };
    let begun = begin().await;
    let tried = sign_in(&town, &begun, &unknown.get(&begun.options)).await;
    assert!(matches!(tried, Err(PeopleError::WrongPasskey)), "{tried:?}");

    let begun = begin().await;
    let right = sign_in(&town, &begun, &authenticator.get(&begun.options)).await;
    done(right);
}

#[tokio::test]
async fn a_passkey_is_renamed_and_removed() {
    let town = Town::new().await;
    let mut authenticator = with_passkey(&town).await;
    let (_, who) = town.signed_in("ada@example.com").await;
    let people = &town.people;
    let id = people.passkeys(&who).await.unwrap()[0].id.clone();

    people
        .rename_passkey(&who, (&id, " Phone "), &visit())
        .await
        .unwrap();
    assert_eq!(people.passkeys(&who).await.unwrap()[0].name, "Phone");
    people.remove_passkey(&who, &id, &visit()).await.unwrap();

    assert!(people.passkeys(&who).await.unwrap().is_empty());
    let begun = people.begin_passkey_sign_in(&visit()).await.unwrap();
    let gone = sign_in(&town, &begun, &authenticator.get(&begun.options)).await;
    assert!(matches!(gone, Err(PeopleError::WrongPasskey)));
}
