//! What every command on the management API does: ask, follow pages, print, and say which nodes lag. Which
//! request it is stands in the file of the noun.

use std::path::PathBuf;

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    arguments::{
        ActArguments, CreateArguments, DeleteArguments, EditArguments, PageArguments,
        ServerArguments, Wait,
    },
    env_file::EnvFile,
    failure::{Exit, Failure, shown},
    management_api::{Answer, ManagementApi, Request},
    members::Members,
    output::{Columns, Output, View, render},
    settings::{SecretSource, Settings},
    terminal::{self, Consent},
};

/// `--all` ends here: a list this long is for a program, page by page.
const PAGES_MAX: usize = 1_000;
/// Pages of `--all` are as long as the server allows.
const ALL_LIMIT: u32 = 500;

/// A registry, and the form in which its answers are printed.
#[derive(Debug)]
pub(super) struct Session {
    api: ManagementApi,
    output: Output,
}

impl Session {
    pub(super) fn open(server: &ServerArguments, settings: &Settings) -> Result<Self, Failure> {
        let token = SecretSource::of(server.token_stdin);
        let management = settings.management(server.management_url.as_deref(), token)?;
        Ok(Self {
            api: ManagementApi::new(management)?,
            output: server.output,
        })
    }

    /// The answer of a request whose answer is not what is printed.
    pub(super) async fn ask(&self, request: &Request) -> Result<Value, Failure> {
        Ok(self.api.send(request).await?.body)
    }

    /// Asks, and prints the answer.
    pub(super) async fn show(&self, request: Request) -> Result<(), Failure> {
        let answer = self.api.send(&request).await?;
        self.print(&answer.body, View::Details)
    }

    /// Whether answers are printed for people.
    pub(super) fn is_table(&self) -> bool {
        self.output == Output::Table
    }

    /// Prints an answer member by member.
    pub(super) fn print_details(&self, answer: &Value) -> Result<(), Failure> {
        self.print(answer, View::Details)
    }

    /// Copies an answer of any length to standard output as it comes.
    pub(super) async fn copy(&self, request: Request) -> Result<(), Failure> {
        self.api.copy(&request).await
    }

    /// Does something, prints the answer, and names the nodes that have not confirmed it.
    pub(super) async fn act(&self, request: Request, act: ActArguments) -> Result<(), Failure> {
        let answer = self.api.send(&waiting(request, &act)).await?;
        self.print(&answer.body, View::Details)?;
        note_effect(&answer);
        Ok(())
    }

    /// Makes something, at most once however often it is asked.
    pub(super) async fn create(
        &self,
        request: Request,
        create: CreateArguments,
    ) -> Result<(), Failure> {
        self.act(keyed(request, create.idempotency_key), create.act)
            .await
    }

    /// Changes these members.
    pub(super) async fn edit(
        &self,
        request: Request,
        members: Members,
        edit: EditArguments,
    ) -> Result<(), Failure> {
        if members.is_empty() {
            let failure = Failure::usage("there is nothing to change");
            return Err(failure.fix("give what is to be changed; --help lists it"));
        }
        let request = match edit.if_revision {
            Some(revision) => request.only_revision(revision),
            None => request.idempotent(),
        };
        self.act(request.body(members.into()), edit.act).await
    }

    /// Makes something that comes with a secret, at most once however often it is asked.
    pub(super) async fn create_with_secret(
        &self,
        request: Request,
        create: CreateArguments,
        names: SecretNames,
    ) -> Result<(), Failure> {
        let request = keyed(request, create.idempotency_key);
        self.act_with_secret(request, create.act, names).await
    }

    /// Makes something that comes with a secret: printed once, or put into a file and not printed.
    pub(super) async fn act_with_secret(
        &self,
        request: Request,
        act: ActArguments,
        names: SecretNames,
    ) -> Result<(), Failure> {
        let file = names.env_file.as_deref().map(EnvFile::open).transpose()?;
        let mut answer = self.api.send(&waiting(request, &act)).await?;
        let secret = match (names.secret_of(&answer.body), file) {
            (None, _) => {
                "the secret was shown to the first command with this idempotency key, and is not shown again; if it \
                 is lost, expire it and create another"
                    .to_owned()
            }
            (Some(_), None) => format!("{} is shown only this once", names.secret_name),
            (Some(secret), Some(file)) => {
                names.write(&answer.body, &secret, file)?;
                names.hide_secret(&mut answer.body);
                let path = names.env_file.unwrap_or_default();
                format!("{} is in {} now", names.secret_name, path.display())
            }
        };
        self.print(&answer.body, View::Details)?;
        note_effect(&answer);
        terminal::note(&format!("note: {secret}"));
        Ok(())
    }

    /// Deletes a thing that has a name, once the person has typed it.
    pub(super) async fn delete(
        &self,
        kind: &str,
        look_up: &Request,
        request: Request,
        delete: DeleteArguments,
    ) -> Result<(), Failure> {
        match Consent::of(delete.yes) {
            Consent::Given => {}
            Consent::Unavailable => {
                let failure =
                    Failure::usage(format!("nobody can be asked whether to delete the {kind}"));
                return Err(failure.fix("give --yes"));
            }
            Consent::Ask => {
                let thing = self.ask(look_up).await?;
                let name = ["name", "id"]
                    .iter()
                    .find_map(|member| thing.get(*member)?.as_str());
                terminal::confirm(kind, name.unwrap_or_default())?;
            }
        }
        self.act(request, delete.act).await
    }

    /// Asks for a list, one page or all, and prints it.
    pub(super) async fn list(
        &self,
        request: Request,
        page: &PageArguments,
        columns: Columns,
    ) -> Result<(), Failure> {
        let limit = page.limit.or(page.all.then_some(ALL_LIMIT));
        let request = request.query("limit", limit);
        let mut answer = self
            .ask(&request.clone().query("after", page.after.as_ref()))
            .await?;
        if page.all {
            answer = self.following_pages(&request, answer).await?;
        }
        let next = next_cursor(&answer).map(str::to_owned);
        self.print(&answer, View::List(columns))?;
        if let Some(next) = next {
            terminal::note(&format!(
                "note: there are more; --all gets them, --after {} goes on",
                shown(&next)
            ));
        }
        Ok(())
    }

    /// Asks for a list that always comes whole, and prints it.
    pub(super) async fn whole_list(
        &self,
        request: Request,
        columns: Columns,
    ) -> Result<(), Failure> {
        let answer = self.ask(&request).await?;
        self.print(&answer, View::List(columns))
    }

    async fn following_pages(&self, request: &Request, first: Value) -> Result<Value, Failure> {
        let mut page = first;
        let mut items = Vec::new();
        for _ in 0..PAGES_MAX {
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            let Some(next) = next_cursor(&page) else {
                return Ok(json!({ "items": items, "next": null }));
            };
            page = self
                .ask(&request.clone().query("after", Some(next)))
                .await?;
        }
        let failure = Failure::new(
            Exit::Unclassified,
            "too_long",
            "the list has too many pages for --all",
        );
        Err(failure.fix("narrow it with filters, or go through it with --after"))
    }

    fn print(&self, answer: &Value, view: View) -> Result<(), Failure> {
        // 204 No Content has nothing to print, in either form.
        if answer.is_null() {
            return Ok(());
        }
        let text = match self.output {
            // Warnings, and nodes that lag, are told beside the table.
            Output::Table => render(&beside(answer), self.output, view),
            Output::Json => render(answer, self.output, view),
        };
        terminal::write_data(text.as_bytes())
    }
}

/// Under which names a new key and secret go into a file, if into one.
#[derive(Debug)]
pub(super) struct SecretNames {
    pub(super) key_name: &'static str,
    /// The key, if the answer does not hold it.
    pub(super) key: Option<String>,
    /// Which member of the answer is the secret.
    pub(super) secret_member: &'static str,
    pub(super) secret_name: &'static str,
    pub(super) env_file: Option<PathBuf>,
}

impl SecretNames {
    /// `None` when an idempotency key was used again.
    fn secret_of(&self, answer: &Value) -> Option<Zeroizing<String>> {
        let secret = answer.get(self.secret_member)?.as_str()?;
        Some(Zeroizing::new(secret.to_owned()))
    }

    fn hide_secret(&self, answer: &mut Value) {
        if let Some(secret) = answer.get_mut(self.secret_member) {
            *secret = Value::Null;
        }
    }

    fn write(&self, answer: &Value, secret: &str, file: EnvFile) -> Result<(), Failure> {
        let members = ["api_key", "client_id"];
        let key = members
            .iter()
            .find_map(|member| answer.get(*member)?.as_str());
        let mut values =
            Vec::from_iter(key.or(self.key.as_deref()).map(|key| (self.key_name, key)));
        values.push((self.secret_name, secret));
        file.write(&values).map_err(|failure| {
            failure.cause("the secret was made and could not be kept: expire it and create another")
        })
    }
}

fn waiting(request: Request, act: &ActArguments) -> Request {
    request.query("wait", (act.wait == Wait::None).then_some("none"))
}

fn keyed(request: Request, key: Option<String>) -> Request {
    request.idempotency_key(key.unwrap_or_else(|| Uuid::new_v4().to_string()))
}

/// The answer without what is told on standard error.
fn beside(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(members) = answer.as_object_mut() {
        members.remove("effect");
        members.remove("warnings");
        members.remove("spec_findings");
    }
    answer
}

fn next_cursor(page: &Value) -> Option<&str> {
    page.get("next")?.as_str().filter(|next| !next.is_empty())
}

/// Says what a person should know of an act that was done. Nodes that have not confirmed it still decide by
/// the state before.
fn note_effect(answer: &Answer) {
    let warnings = answer.body.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten().filter_map(Value::as_str) {
        terminal::note(&format!("warning: {}", shown(warning)));
    }
    let findings = answer.body.get("spec_findings").and_then(Value::as_array);
    let advice = findings.map_or(0, Vec::len);
    if advice > 0 {
        terminal::note(&format!(
            "note: there is something to say about the specification; portcullis api check-spec shows it ({advice})"
        ));
    }
    let lagging = answer
        .body
        .pointer("/effect/lagging")
        .and_then(Value::as_array);
    let nodes: Vec<_> = lagging
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(shown)
        .collect();
    if !nodes.is_empty() {
        terminal::note(&format!(
            "note: done, but not yet confirmed by {}",
            nodes.join(", ")
        ));
    } else if answer.status == StatusCode::ACCEPTED {
        terminal::note("note: done, but not yet confirmed by every node");
    }
}
