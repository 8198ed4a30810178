//! The queue of side effects owed, and mails that are kept instead of being sent.

use std::{sync::LazyLock, time::Duration};

use portcullis_core::{
    ids::{JobId, UserId},
    job::{AttemptResult, JobKind, JobState, Mail},
    permissions::{Action, Actor, Authority, may},
};
use portcullis_store::{
    ActError, AfterFailure, AuditFilter, CapturedMail, ClaimedJob, JobFilter, OnStale, PageRequest,
    Predecessor, Store, Work,
};
use sqlx::Row;

use crate::{contract, support::*};

static OPERATOR: LazyLock<Authority> = LazyLock::new(operator);
const JOB_LEASE: Duration = Duration::from_mins(2);
const EMAIL: &str = "olga@example.com";

/// An operator with an address.
fn olga() -> Authority {
    let actor = Actor::User {
        id: UserId::random(),
        email: EMAIL.to_owned(),
        is_operator: true,
        memberships: Vec::new(),
        token: None,
    };
    may(&actor, Action::Operate, None).unwrap()
}

async fn owe(store: &Store) -> JobId {
    store.send_test_mail(&olga()).await.unwrap().value
}

async fn claim(store: &Store, limit: u32) -> Vec<ClaimedJob> {
    store
        .claim_jobs(JobKind::Mail, JOB_LEASE, limit)
        .await
        .unwrap()
}

async fn claim_one(store: &Store) -> ClaimedJob {
    let mut claimed = claim(store, 10).await;
    assert_eq!(claimed.len(), 1);
    claimed.remove(0)
}

async fn state_of(store: &Store, id: &JobId) -> JobState {
    store.job(&OPERATOR, id).await.unwrap().0.state
}

contract!(a_mail_that_is_owed_is_claimed_done_and_erased, |world| {
    let store = &world.store;
    let mut wake = store.jobs_owed();
    wake.mark_unchanged();

    let id = owe(store).await;
    assert!(wake.has_changed().unwrap(), "workers are told at once");
    let owed = store.job(&OPERATOR, &id).await.unwrap().0;
    let job = claim_one(store).await;
    let claimed = store.job(&OPERATOR, &id).await.unwrap().0;
    assert!(claim(store, 10).await.is_empty(), "nobody else has it");
    world.clock.advance(Duration::from_secs(3));
    assert!(store.finish_job(&job).await.unwrap());

    assert_eq!(owed.state, JobState::Owed);
    assert_eq!(
        (owed.topic.as_str(), owed.recipient.as_str()),
        ("test", EMAIL)
    );
    assert_eq!(owed.next_attempt_at, Some(NOW));
    assert_eq!(job.id, id);
    assert_eq!(job.attempt, 1);
    let mail = Mail::Test {
        asked_by: EMAIL.to_owned(),
    };
    let to = EMAIL.to_owned();
    assert_eq!(job.work, Work::Mail { to, mail });
    assert_eq!(claimed.state, JobState::Claimed);
    assert_eq!(claimed.lease_until, Some(NOW + JOB_LEASE));
    assert_eq!(claimed.claimed_by.unwrap().as_str(), "a");
    let (done, attempts) = store.job(&OPERATOR, &id).await.unwrap();
    assert_eq!(done.state, JobState::Done);
    assert_eq!(done.finished_at, Some(NOW + Duration::from_secs(3)));
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].result, AttemptResult::Done);
    assert_eq!(attempts[0].duration_us, Some(3_000_000));
    let mut connection = world.raw().await;
    let row = sqlx::query("SELECT COUNT(*) FROM jobs WHERE payload_sealed IS NULL")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(row.get::<i64, _>(0), 1);
});

contract!(
    a_payload_is_sealed_and_an_audit_entry_says_nothing_of_it,
    |world| {
        owe(&world.store).await;

        let mut connection = world.raw().await;
        let row = sqlx::query("SELECT payload_sealed FROM jobs")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let sealed: Vec<u8> = row.get(0);
        let filter = AuditFilter {
            action: Some("mail.test".to_owned()),
            ..AuditFilter::default()
        };
        let entries = world
            .store
            .audit_entries(&OPERATOR, filter, PageRequest::default())
            .await
            .unwrap()
            .items;

        assert!(!String::from_utf8_lossy(&sealed).contains("asked_by"));
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].detail, "{}");
    }
);

contract!(
    a_failure_waits_for_its_next_attempt_and_then_is_given_up,
    |world| {
        let store = &world.store;
        let id = owe(store).await;
        let long = "é".repeat(4_000);

        let first = claim_one(store).await;
        let again = AfterFailure::RetryIn(Duration::from_secs(30));
        assert!(store.fail_job(&first, &long, again).await.unwrap());
        assert!(claim(store, 10).await.is_empty());
        world.clock.advance(Duration::from_secs(30));
        let second = claim_one(store).await;
        assert!(
            store
                .fail_job(&second, "550 no such\0 mailbox", AfterFailure::GiveUp)
                .await
                .unwrap()
        );
        world.clock.advance(Duration::from_hours(24));
        assert!(claim(store, 10).await.is_empty());

        assert_eq!((first.attempt, second.attempt), (1, 2));
        let (job, attempts) = store.job(&OPERATOR, &id).await.unwrap();
        assert_eq!(job.state, JobState::GivenUp);
        assert_eq!(job.attempts, 2);
        assert_eq!(job.last_error.unwrap(), "550 no such\u{fffd} mailbox");
        let results: Vec<_> = attempts.iter().map(|attempt| attempt.result).collect();
        assert_eq!(results, [AttemptResult::Failed, AttemptResult::Refused]);
        assert_eq!(attempts[0].error.as_ref().unwrap().len(), 4 * 1024);
        let backlog = store.job_backlog().await.unwrap();
        assert_eq!((backlog[0].owed, backlog[0].given_up), (0, 1));
    }
);

contract!(
    a_worker_whose_lease_has_ended_cannot_write_its_result,
    |world| {
        let store = &world.store;
        let id = owe(store).await;
        let slow = claim_one(store).await;
        world.clock.advance(JOB_LEASE);

        let next = claim_one(store).await;
        let again = AfterFailure::RetryIn(Duration::ZERO);
        assert!(!store.finish_job(&slow).await.unwrap());
        assert!(!store.fail_job(&slow, "late", again).await.unwrap());
        assert_eq!(state_of(store, &id).await, JobState::Claimed);
        assert!(store.finish_job(&next).await.unwrap());
        assert!(!store.finish_job(&next).await.unwrap(), "not twice");

        assert_eq!((slow.id, next.attempt), (id.clone(), 2));
        let attempts = store.job(&OPERATOR, &id).await.unwrap().1;
        let results: Vec<_> = attempts.iter().map(|attempt| attempt.result).collect();
        assert_eq!(results, [AttemptResult::Lost, AttemptResult::Done]);
    }
);

contract!(
    what_an_ended_process_of_this_node_had_claimed_is_due_at_once,
    |world| {
        let id = owe(&world.store).await;
        claim_one(&world.store).await;
        world.reopen().await.unwrap();

        let taken = world.store.take_back_jobs(JobKind::Mail).await.unwrap();
        let again = claim_one(&world.store).await;
        let nothing = {
            let mut settings = world.settings();
            settings.node.predecessor = Predecessor::Unknown;
            world.store.close().await;
            world.store = Store::open(settings).await.unwrap();
            world.store.take_back_jobs(JobKind::Mail).await.unwrap()
        };

        assert_eq!((taken, again.id, again.attempt), (1, id, 2));
        assert_eq!(nothing, 0, "it may still be running");
    }
);

contract!(several_workers_share_the_queue_without_doubling, |world| {
    for _ in 0..40 {
        owe(&world.store).await;
    }
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = world.store.clone();
        workers.spawn(async move {
            let mut seen = Vec::new();
            loop {
                let claimed = match store.claim_jobs(JobKind::Mail, JOB_LEASE, 3).await {
                    Ok(claimed) => claimed,
                    Err(ActError::Busy) => continue,
                    Err(error) => panic!("{error}"),
                };
                if claimed.is_empty() {
                    return seen;
                }
                for job in claimed {
                    assert!(store.finish_job(&job).await.unwrap());
                    seen.push(job.id);
                }
            }
        });
    }
    let mut seen = workers.join_all().await.concat();

    // What one worker has locked, another does not wait for: what is left is found by looking again.
    for job in claim(&world.store, 100).await {
        seen.push(job.id);
    }
    assert_eq!(seen.len(), 40);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 40);
});

#[test]
fn two_nodes_share_the_queue() {
    run(async {
        let Some(world) = World::on_postgres().await else {
            return;
        };
        let other = world.another_node("b", OnStale::Serve).await;
        owe(&world.store).await;

        let (here, there) = tokio::join!(claim(&world.store, 10), claim(&other, 10));

        assert_eq!(here.len() + there.len(), 1);
        other.close().await;
        world.end().await;
    });
}

contract!(an_operator_has_a_job_done_again, |world| {
    let store = &world.store;
    let id = owe(store).await;
    let job = claim_one(store).await;
    let claimed = store.retry_job(&OPERATOR, &id).await.unwrap_err();
    store
        .fail_job(&job, "refused", AfterFailure::GiveUp)
        .await
        .unwrap();
    let mut wake = store.jobs_owed();
    wake.mark_unchanged();

    let retried = store.retry_job(&OPERATOR, &id).await.unwrap().value;
    let again = claim_one(store).await;
    let soon = AfterFailure::RetryIn(Duration::from_hours(1));
    store.fail_job(&again, "later", soon).await.unwrap();
    store.retry_job(&OPERATOR, &id).await.unwrap();
    let at_once = claim_one(store).await;
    store.finish_job(&at_once).await.unwrap();
    let done = store.retry_job(&OPERATOR, &id).await.unwrap_err();

    assert!(wake.has_changed().unwrap());
    assert_eq!((retried.state, retried.attempts), (JobState::Owed, 1));
    assert_eq!((again.attempt, at_once.attempt), (1, 1), "counted anew");
    let code = |error| match error {
        ActError::Conflict { code, .. } => code,
        other => panic!("{other}"),
    };
    assert_eq!((code(claimed), code(done)), ("job_claimed", "job_done"));
    let unknown = store.retry_job(&OPERATOR, &JobId::random()).await;
    assert_eq!(unknown.unwrap_err(), ActError::NotFound("job"));
});

contract!(jobs_are_listed_newest_first_and_filtered, |world| {
    let store = &world.store;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, owe(store).await);
        world.clock.advance(Duration::from_secs(1));
    }
    let job = store
        .claim_jobs(JobKind::Mail, JOB_LEASE, 1)
        .await
        .unwrap()
        .remove(0);
    store.finish_job(&job).await.unwrap();
    let list = async |state, limit, after| {
        let filter = JobFilter {
            kind: Some(JobKind::Mail),
            state,
        };
        let page = PageRequest { after, limit };
        store.jobs(&OPERATOR, filter, page).await.unwrap()
    };
    let names = |jobs: &[portcullis_core::job::Job]| -> Vec<JobId> {
        jobs.iter().map(|job| job.id.clone()).collect()
    };

    let first = list(None, 3, None).await;
    let second = list(None, 3, first.next.clone()).await;
    let done = list(Some(JobState::Done), 10, None).await;

    assert_eq!(names(&first.items), ids[..3]);
    assert_eq!(names(&second.items), ids[3..]);
    assert_eq!(second.next, None);
    assert_eq!(names(&done.items), ids[4..], "the oldest was due first");
    let backlog = store.job_backlog().await.unwrap();
    assert_eq!(backlog[0].owed, 4);
    assert_eq!(backlog[0].oldest, Some(NOW + Duration::from_secs(1)));
});

contract!(only_operators_see_jobs_and_captured_mails, |world| {
    let own = organization(&world.store, "own").await;
    let who = member(&own);
    let store = &world.store;
    let id = owe(store).await;
    let page = PageRequest::default;

    assert_eq!(
        store
            .jobs(&who, JobFilter::default(), page())
            .await
            .unwrap_err(),
        ActError::Forbidden
    );
    assert_eq!(store.job(&who, &id).await.unwrap_err(), ActError::Forbidden);
    assert_eq!(
        store.retry_job(&who, &id).await.unwrap_err(),
        ActError::Forbidden
    );
    assert_eq!(
        store.send_test_mail(&who).await.unwrap_err(),
        ActError::Forbidden
    );
    assert_eq!(
        store.captured_mails(&who, page()).await.unwrap_err(),
        ActError::Forbidden
    );
    assert_eq!(
        store.captured_mail(&who, &id).await.unwrap_err(),
        ActError::Forbidden
    );
    assert_eq!(
        store.send_test_mail(&OPERATOR).await.unwrap_err(),
        ActError::Forbidden,
        "the installation has no address"
    );
});

contract!(
    a_job_that_cannot_be_read_is_given_up_and_holds_up_nobody,
    |world| {
        let broken = owe(&world.store).await;
        world
            .raw_execute("UPDATE jobs SET payload_sealed = (SELECT check_value FROM master_keys)")
            .await;
        let fine = owe(&world.store).await;

        let claimed = claim_one(&world.store).await;

        assert_eq!(claimed.id, fine);
        assert_eq!(state_of(&world.store, &broken).await, JobState::GivenUp);
    }
);

contract!(jobs_finished_long_ago_are_trimmed, |world| {
    let store = &world.store;
    let done = owe(store).await;
    store.finish_job(&claim_one(store).await).await.unwrap();
    world.clock.advance(Duration::from_hours(24));
    let waiting = owe(store).await;
    let at = |days: u64| NOW + Duration::from_hours(24 * days);

    store.maintain(at(30)).await.unwrap();
    let kept = state_of(store, &done).await;
    store.maintain(at(31)).await.unwrap();

    assert_eq!(kept, JobState::Done);
    let gone = store.job(&OPERATOR, &done).await.unwrap_err();
    assert_eq!(gone, ActError::NotFound("job"));
    assert_eq!(state_of(store, &waiting).await, JobState::Owed);
});

fn captured(number: i64) -> CapturedMail {
    CapturedMail {
        id: JobId::random(),
        topic: "test".to_owned(),
        to: EMAIL.to_owned(),
        subject: format!("Mail {number}"),
        text: "https://p.example/?token=secret".to_owned(),
        html: "<p>".to_owned(),
        at: NOW + Duration::from_secs(u64::try_from(number).unwrap()),
    }
}

contract!(
    captured_mails_are_sealed_kept_once_and_the_newest_stay,
    |world| {
        let store = &world.store;
        let first = captured(0);
        store.capture_mail(&first).await.unwrap();
        store.capture_mail(&first).await.unwrap();
        let found = store.captured_mail(&OPERATOR, &first.id).await.unwrap();
        let mut connection = world.raw().await;
        let row = sqlx::query("SELECT body_sealed FROM captured_mails")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let sealed: Vec<u8> = row.get(0);

        for number in 1..=200 {
            store.capture_mail(&captured(number)).await.unwrap();
        }
        let page = PageRequest::first(500);
        let all = store.captured_mails(&OPERATOR, page).await.unwrap().items;

        assert_eq!(found, first);
        assert!(!format!("{found:?}").contains("token=secret"));
        assert!(!String::from_utf8_lossy(&sealed).contains("token=secret"));
        assert_eq!(all.len(), 200);
        assert_eq!(all[0].subject, "Mail 200");
        assert_eq!(all[199].subject, "Mail 1");
        let gone = store.captured_mail(&OPERATOR, &first.id).await;
        assert_eq!(gone.unwrap_err(), ActError::NotFound("captured mail"));
    }
);
