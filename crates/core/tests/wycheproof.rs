//! Project Wycheproof's vectors for RSA PKCS#1 v1.5 signatures with SHA-256 and 2048-bit keys, against the
//! verification that our tokens go through.

use portcullis_core::keys::{KeyPurpose, KeyState, SigningKey};
use wycheproof::{
    TestResult,
    rsa_pkcs1_verify::{TestName, TestSet},
};

#[test]
fn signatures_are_judged_as_the_vectors_say() {
    let set = TestSet::load(TestName::Rsa2048Sha256).unwrap();
    let (mut judged, mut refused) = (0, 0);

    for group in set.test_groups {
        let Some(key) = key_of(&group.asn_key) else {
            continue;
        };
        for test in &group.tests {
            let verifies = key.verifies(&test.msg, &test.sig);
            judged += 1;
            refused += usize::from(!verifies);
            match test.result {
                TestResult::Valid => assert!(verifies, "vector {}", test.tc_id),
                // The one acceptable vector has a signature without the NULL parameter, which we refuse too.
                TestResult::Invalid | TestResult::Acceptable => {
                    assert!(!verifies, "vector {}", test.tc_id);
                }
            }
        }
    }

    assert!(judged >= 250, "only {judged} vectors were judged");
    assert!(refused >= 240, "only {refused} vectors were refused");
}

/// A key of ours from a PKCS#1 public key.
fn key_of(public_der: &[u8]) -> Option<SigningKey> {
    let id = portcullis_core::keys::thumbprint_of_der(public_der)?;
    SigningKey::from_der(id, KeyPurpose::Client, KeyState::Current, public_der, None).ok()
}
