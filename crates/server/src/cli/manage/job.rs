//! `portcullis job`: side effects owed, such as mails (operators).

use clap::{Args, Subcommand, ValueEnum};

use super::{
    arguments::{ActArguments, PageArguments, ServerArguments, id},
    failure::Failure,
    management_api::Request,
    output::Columns,
    session::Session,
    settings::Settings,
};

const COLUMNS: Columns = &[
    ("ID", "/id"),
    ("KIND", "/kind"),
    ("STATE", "/state"),
    ("TOPIC", "/topic"),
    ("RECIPIENT", "/recipient"),
    ("ATTEMPTS", "/attempts"),
    ("CREATED", "/created_at"),
    ("NEXT ATTEMPT", "/next_attempt_at"),
    ("LAST ERROR", "/last_error"),
];

/// Arguments of `portcullis job`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List jobs, newest first.
    List {
        /// Only those in this state.
        #[arg(long, value_enum)]
        state: Option<State>,
        /// Only those of this kind.
        #[arg(long, value_enum)]
        kind: Option<Kind>,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Show a job with what became of each attempt.
    Get {
        /// The job's id.
        #[arg(value_name = "JOB", value_parser = id)]
        job: String,
    },
    /// Attempt a job again at once, whether it was given up or waits.
    Retry {
        /// The job's id.
        #[arg(value_name = "JOB", value_parser = id)]
        job: String,
        #[command(flatten)]
        act: ActArguments,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum State {
    /// To be done, now or later.
    Owed,
    /// Being done.
    Claimed,
    /// Done.
    Done,
    /// Not done, and not attempted again by itself.
    GivenUp,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Mails.
    Mail,
}

/// Carries out the command.
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let session = Session::open(&arguments.server, settings)?;
    match arguments.act {
        Act::List { state, kind, page } => {
            let state = state.map(|state| match state {
                State::Owed => "owed",
                State::Claimed => "claimed",
                State::Done => "done",
                State::GivenUp => "given_up",
            });
            let kind = kind.map(|Kind::Mail| "mail");
            let request = Request::get(["jobs"])
                .query("state", state.map(str::to_owned))
                .query("kind", kind.map(str::to_owned));
            session.list(request, &page, COLUMNS).await
        }
        Act::Get { job } => session.show(Request::get(["jobs", &job])).await,
        Act::Retry { job, act } => {
            session
                .act(Request::post(["jobs", &job, "retry"]), act)
                .await
        }
    }
}
