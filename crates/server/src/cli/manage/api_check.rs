//! `portcullis api check-spec` and `check-target`: what a registry says of a specification or a target, before
//! anything is made of it.

use std::{fs, io::Read as _, path::Path};

use serde_json::Value;

use super::{
    failure::{Exit, Failure, shown},
    management_api::Request,
    members::Members,
    session::Session,
    terminal,
};

/// Prints what the specification says, and each finding with its place.
pub(super) async fn spec(session: &Session, file: &Path) -> Result<(), Failure> {
    let text = read(file)?;
    let members = Members::new().with("spec", text);
    // It changes nothing, so it may be sent again.
    let request = Request::post(["spec_checks"])
        .body(members.into())
        .idempotent();
    let mut answer = session.ask(&request).await?;
    let is_usable = answer.get("usable") == Some(&Value::Bool(true));
    if session.is_table()
        && let Some(findings) = answer.as_object_mut().and_then(|it| it.remove("findings"))
    {
        note_findings(file, &findings);
    }
    session.print_details(&answer)?;
    if is_usable {
        return Ok(());
    }
    let failure = Failure::new(
        Exit::Validation,
        "spec_not_usable",
        "the specification cannot be taken",
    );
    Err(failure.fix("mend what is named as an error"))
}

fn read(file: &Path) -> Result<String, Failure> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    read.map_err(|error| {
        let name = file.display();
        Failure::usage(format!("the specification {name} cannot be read: {error}"))
    })
}

/// A line for each finding, in the form that editors jump to.
fn note_findings(file: &Path, findings: &Value) {
    for finding in findings.as_array().into_iter().flatten() {
        let text = |member: &str| {
            let value = finding.get(member);
            value.and_then(Value::as_str).map(shown).unwrap_or_default()
        };
        let number = |member: &str| finding.get(member).and_then(Value::as_u64).unwrap_or(1);
        terminal::note(&format!(
            "{}:{}:{}: {}: {}",
            file.display(),
            number("line"),
            number("column"),
            text("severity"),
            text("message")
        ));
    }
}

/// Prints how the connection test went.
pub(super) async fn target(
    session: &Session,
    target_url: String,
    organization: String,
) -> Result<(), Failure> {
    let members = Members::new()
        .with("target_url", target_url)
        .with("organization_id", organization);
    let request = Request::post(["target_checks"]).body(members.into());
    let answer = session.ask(&request).await?;
    session.print_details(&answer)?;
    if answer.get("reachable") == Some(&Value::Bool(true)) {
        return Ok(());
    }
    let reason = answer.get("reason").and_then(Value::as_str);
    let failure = Failure::new(
        Exit::Network,
        "target_not_reached",
        "the gateway could not reach the target",
    );
    Err(failure.cause(shown(reason.unwrap_or_default())))
}
