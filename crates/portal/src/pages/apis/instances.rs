//! Versions of an API in its environments: putting one there, editing it, deleting it, handing out its specification.

use askama::Template;
use axum::{extract::Path, response::Response};
use http::{HeaderValue, StatusCode, header};
use portcullis_registry::{
    in_process::{Answer as ApiAnswer, Management},
    wire::{Api, DeletedInstance, Instance, InstanceWithWarnings, Listed},
};
use serde_json::{Value, json};

use super::{
    Asked, ENVIRONMENTS, Found, acts, environment_word, find, find_to_change,
    spec_form::{self, Derived},
    target::{self, Reached},
};
use crate::{
    done::effect_line,
    failure::Failure,
    flash::Flash,
    form::{Choice, Form},
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::confirmation::{Confirmation, unconfirmed},
    sent::Sent,
    view,
};

#[derive(Template)]
#[template(path = "apis/instance_new.html")]
struct NewInstance {
    shell: Shell,
    path: String,
    name: String,
    form: Form,
    namespaces: Vec<Choice>,
    is_operator: bool,
    derived: Option<Derived>,
    reached: Option<Reached>,
    environments: Vec<Choice>,
    lifecycles: Vec<Choice>,
    base_paths: Vec<Choice>,
    /// Whether the API was made a moment ago by a form whose other half was refused.
    is_unfinished: bool,
}

/// What a step of the form found out.
#[derive(Default)]
struct Step {
    derived: Option<Derived>,
    reached: Option<Reached>,
    is_unfinished: bool,
}

/// `GET /apis/{api_id}/instances/new`.
pub(crate) async fn form(page: Page, Path(id): Path<String>) -> Answer {
    let found = find_to_change(&page, &id).await?;
    let asked = Asked::of(&page).get("environment");
    let environment = ENVIRONMENTS
        .into_iter()
        .find(|one| *one == asked)
        .unwrap_or("test");
    let form = Form::with([
        ("environment", environment),
        ("lifecycle_status", "general_release"),
        ("show_in_directory", "yes"),
        ("base_path_upstream", "keep"),
    ]);
    show(&page, &found, form, Step::default()).await
}

async fn show(page: &Page, found: &Found, form: Form, mut step: Step) -> Answer {
    let Found {
        api, management, ..
    } = found;
    let namespaces = spec_form::namespaces(management, &api.organization_id).await?;
    if let Some(derived) = &mut step.derived {
        derived.locate(&page.portal().site().gateway_url, &form, &namespaces);
    }
    let path = format!("/apis/{}", api.id);
    let shell = page
        .shell(Section::Apis, "Create New Version")
        .crumb("APIs", "/apis");
    let template = NewInstance {
        shell: shell.crumb(&api.name, path.clone()),
        path,
        name: api.name.clone(),
        namespaces: spec_form::namespace_choices(&namespaces),
        is_operator: page.is_operator(),
        derived: step.derived,
        reached: step.reached,
        environments: spec_form::environment_choices(),
        lifecycles: spec_form::lifecycle_choices(),
        base_paths: spec_form::base_path_choices(),
        is_unfinished: step.is_unfinished,
        form,
    };
    page.show_with(template.form.status(), &template)
}

/// The form that finishes what the New API form began.
pub(super) async fn show_unfinished(
    page: &Page,
    id: &str,
    form: Form,
    derived: Option<Derived>,
) -> Answer {
    let found = find_to_change(page, id).await?;
    let step = Step {
        derived,
        reached: None,
        is_unfinished: true,
    };
    // What was refused is sent anew: another key, or the refusal of the first would count as done.
    show(page, &found, form.with_new_once(), step).await
}

/// `POST /apis/{api_id}/instances/new`. Sent twice, it makes one instance.
pub(crate) async fn submit(page: Page, Path(id): Path<String>, sent: Sent) -> Answer {
    let found = find_to_change(&page, &id).await?;
    let mut form = sent.form();
    let mut step = Step::default();
    let spec = match spec_form::text_of(&sent) {
        Ok(spec) => spec,
        Err(why) => return show(&page, &found, form.wrong("spec", why), step).await,
    };
    if let Some(spec) = &spec {
        form = form.setting("spec", spec);
        let derived = Derived::of(&found.management, spec).await?;
        if let Some(why) = derived.refusal() {
            form = form.wrong("spec", why);
        }
        step.derived = Some(derived);
    }
    match sent.get("act") {
        "test" => {
            let url = sent.get("target_url");
            let of = &found.api.organization_id;
            step.reached = Some(target::reached(&found.management, of, url).await?);
        }
        "create" if !form.is_refused() => {
            let input = spec_form::new_instance(&sent, spec.as_deref());
            let path = ("/v1/apis/{api_id}/instances", [id.as_str()]);
            let made =
                found
                    .management
                    .post_once::<InstanceWithWarnings>(path, sent.once(), &input);
            match made.await {
                Ok(made) => {
                    let environment = made.value.instance.environment.clone();
                    let path = format!("/apis/{}?environment={environment}", found.api.id);
                    let text = format!(
                        "Version {} runs in {}.",
                        made.value.instance.version,
                        environment_word(&environment)
                    );
                    return Ok(gone_to(&page, &path, &text, &made));
                }
                Err(error) => form = spec_form::refused_as(&sent, form, error)?,
            }
        }
        _ => {}
    }
    show(&page, &found, form, step).await
}

/// The page at this path, with what the management API warned of.
fn gone_to(
    page: &Page,
    path: &str,
    text: &str,
    done: &ApiAnswer<InstanceWithWarnings>,
) -> Response {
    let warnings = done.value.warnings.join(" ");
    let said = format!("{text} {} {warnings}", effect_line(done));
    let flash = if warnings.is_empty() && done.lagging().is_empty() {
        Flash::success(said.trim_end())
    } else {
        Flash::warning(said.trim_end())
    };
    page.go_saying(path, &flash)
}

/// An instance, when the person may see its API.
pub(super) async fn instance(
    management: &Management,
    (id, instance_id): (&str, &str),
) -> Result<Instance, Failure> {
    let path = (
        "/v1/apis/{api_id}/instances/{instance_id}",
        [id, instance_id],
    );
    Ok(management.get::<Instance>(path, &[]).await?.value)
}

#[derive(Template)]
#[template(path = "apis/instance_edit.html")]
struct EditInstance {
    shell: Shell,
    path: String,
    instance: Instance,
    environment: &'static str,
    proxy_url: String,
    back: String,
    form: Form,
    derived: Option<Derived>,
    reached: Option<Reached>,
    lifecycles: Vec<Choice>,
    base_paths: Vec<Choice>,
}

/// The values of the form that stand in an instance.
fn values(instance: &Instance) -> Vec<(&'static str, String)> {
    let mut values = vec![
        ("version", instance.version.clone()),
        (
            "target_url",
            instance.target_url.clone().unwrap_or_default(),
        ),
        ("lifecycle_status", instance.lifecycle_status.clone()),
        ("lifecycle_text", instance.lifecycle_text.clone()),
        (
            "base_path_upstream",
            instance.base_path_upstream.clone().unwrap_or_default(),
        ),
    ];
    for (name, is_on) in [
        ("show_in_directory", instance.show_in_directory),
        ("streaming", instance.streaming.unwrap_or_default()),
        (
            "pass_origin_fields",
            instance.pass_origin_fields.unwrap_or_default(),
        ),
    ] {
        values.push((name, if is_on { "yes" } else { "" }.to_owned()));
    }
    values
}

/// `GET /apis/{api_id}/instances/{instance_id}/edit`.
pub(crate) async fn edit(page: Page, Path((id, instance_id)): Path<(String, String)>) -> Answer {
    let found = find_to_change(&page, &id).await?;
    let instance = instance(&found.management, (&id, &instance_id)).await?;
    let mut fields = values(&instance);
    fields.push(("revision", instance.revision.to_string()));
    show_edit(
        &page,
        (&found.api, instance),
        Form::with(fields),
        Step::default(),
    )
}

fn show_edit(page: &Page, (api, instance): (&Api, Instance), form: Form, step: Step) -> Answer {
    let path = format!("/apis/{}", api.id);
    let title = format!("Edit version {}", instance.version);
    let shell = page.shell(Section::Apis, &title).crumb("APIs", "/apis");
    let back = format!("{path}?environment={}", instance.environment);
    let template = EditInstance {
        shell: shell.crumb(&api.name, back.clone()),
        back,
        path: format!("{path}/instances/{}", view::encoded(&instance.id)),
        environment: environment_word(&instance.environment),
        proxy_url: format!(
            "{}{}",
            page.portal().site().gateway_url,
            instance.gateway_path
        ),
        instance,
        form,
        derived: step.derived,
        reached: step.reached,
        lifecycles: spec_form::lifecycle_choices(),
        base_paths: spec_form::base_path_choices(),
    };
    page.show_with(template.form.status(), &template)
}

/// `POST /apis/{api_id}/instances/{instance_id}/edit`.
pub(crate) async fn save(
    page: Page,
    Path((id, instance_id)): Path<(String, String)>,
    sent: Sent,
) -> Answer {
    let found = find_to_change(&page, &id).await?;
    let before = instance(&found.management, (&id, &instance_id)).await?;
    let mut form = sent.form();
    let mut step = Step::default();
    let spec = match spec_form::text_of(&sent) {
        Ok(spec) => spec,
        Err(why) => {
            let form = form.wrong("spec", why);
            return show_edit(&page, (&found.api, before), form, step);
        }
    };
    if let Some(spec) = &spec {
        form = form.setting("spec", spec);
        let derived = Derived::of(&found.management, spec).await?;
        if let Some(why) = derived.refusal() {
            form = form.wrong("spec", why);
        }
        step.derived = Some(derived);
    }
    match sent.get("act") {
        "test" => {
            let url = sent.get("target_url");
            let of = &found.api.organization_id;
            step.reached = Some(target::reached(&found.management, of, url).await?);
            show_edit(&page, (&found.api, before), form, step)
        }
        "save" if !form.is_refused() => {
            let input = patch(&sent, &before, spec.as_deref());
            let path = (
                "/v1/apis/{api_id}/instances/{instance_id}",
                [id.as_str(), instance_id.as_str()],
            );
            match found
                .management
                .patch::<InstanceWithWarnings>(path, sent.revision(), &input)
                .await
            {
                Ok(done) => {
                    let text = format!("Version {} is saved.", done.value.instance.version);
                    let path = format!("/apis/{}?environment={}", found.api.id, before.environment);
                    Ok(gone_to(&page, &path, &text, &done))
                }
                Err(error) if error.status() == StatusCode::PRECONDITION_FAILED => {
                    let now = instance(&found.management, (&id, &instance_id)).await?;
                    let form = form.outdated(Some(now.revision), values(&now));
                    show_edit(&page, (&found.api, now), form, step)
                }
                Err(error) => {
                    let form = spec_form::refused_as(&sent, form, error)?;
                    show_edit(&page, (&found.api, before), form, step)
                }
            }
        }
        _ => show_edit(&page, (&found.api, before), form, step),
    }
}

/// What is changed. A version that was left as it was gives way to that of a new specification.
fn patch(sent: &Sent, before: &Instance, spec: Option<&str>) -> Value {
    let mut input = spec_form::serving(sent);
    if let Some(spec) = spec {
        input.insert("spec".to_owned(), json!(spec));
        if sent.get("version") == before.version {
            input.remove("version");
        }
    }
    Value::Object(input)
}

/// What is asked before an instance is deleted.
async fn ask(page: &Page, found: &Found, instance: &Instance, form: Form) -> Answer {
    let Found {
        api, management, ..
    } = found;
    let path = ("/v1/apis/{api_id}/instances", [api.id.as_str()]);
    let all = management
        .get::<Listed<Instance>>(path, &[])
        .await?
        .value
        .items;
    let is_last = all.len() == 1;
    let environment = environment_word(&instance.environment);
    let title = format!("Delete version {} in {environment}?", instance.version);
    let mut consequences = vec![
        format!(
            "The gateway answers no more below {}.",
            instance.gateway_path
        ),
        "This cannot be taken back.".to_owned(),
    ];
    if is_last {
        consequences.push(format!(
            "It is the last version: {} itself is deleted with it, for good.",
            api.name
        ));
    }
    consequences.extend(acts::touched_by_all(management, api).await?);
    let back = format!("/apis/{}?environment={}", api.id, instance.environment);
    let confirmation = Confirmation {
        shell: page
            .shell(Section::Apis, &title)
            .crumb("APIs", "/apis")
            .crumb(&api.name, back.clone()),
        form,
        action: format!(
            "/apis/{}/instances/{}/delete",
            api.id,
            view::encoded(&instance.id)
        ),
        back,
        title,
        consequences,
        obstacle: String::new(),
        question: None,
        word: api.name.clone(),
        verb: "Delete version",
        is_danger: true,
    };
    confirmation.show(page)
}

/// `GET /apis/{api_id}/instances/{instance_id}/delete`.
pub(crate) async fn ask_delete(
    page: Page,
    Path((id, instance_id)): Path<(String, String)>,
) -> Answer {
    let found = find_to_change(&page, &id).await?;
    let instance = instance(&found.management, (&id, &instance_id)).await?;
    ask(&page, &found, &instance, Form::empty()).await
}

/// `POST /apis/{api_id}/instances/{instance_id}/delete`.
pub(crate) async fn delete(
    page: Page,
    Path((id, instance_id)): Path<(String, String)>,
    sent: Sent,
) -> Answer {
    let found = find_to_change(&page, &id).await?;
    let instance = instance(&found.management, (&id, &instance_id)).await?;
    if let Some(form) = unconfirmed(&sent, &found.api.name) {
        return ask(&page, &found, &instance, form).await;
    }
    let path = (
        "/v1/apis/{api_id}/instances/{instance_id}",
        [id.as_str(), instance_id.as_str()],
    );
    match found.management.delete::<DeletedInstance>(path).await {
        Ok(done) if done.value.api_deleted => {
            let text = format!("{} is deleted with its last version.", found.api.name);
            Ok(page.go_done("/apis?mine=1", &text, &done))
        }
        Ok(done) => {
            let text = format!("Version {} is deleted.", instance.version);
            Ok(page.go_done(&format!("/apis/{}", found.api.id), &text, &done))
        }
        Err(error) => ask(&page, &found, &instance, sent.refused(error)?).await,
    }
}

/// `GET /apis/{api_id}/instances/{instance_id}/spec`: the specification as it was uploaded, as a file.
pub(crate) async fn spec(page: Page, Path((id, instance_id)): Path<(String, String)>) -> Answer {
    let Found {
        api, management, ..
    } = find(&page, &id).await?;
    let instance = instance(&management, (&id, &instance_id)).await?;
    let path = (
        "/v1/apis/{api_id}/instances/{instance_id}/spec",
        [id.as_str(), instance_id.as_str()],
    );
    let download = management.download(path, &[], "text/plain").await?;
    let mut response = Response::new(download.body);
    let name = file_name(&api.id, &instance.version);
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_DISPOSITION,
        disposition.unwrap_or(HeaderValue::from_static("attachment")),
    );
    // Whatever stands in it, and whatever its name says, a browser keeps it as text.
    headers.insert(header::CONTENT_TYPE, download.content_type);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    Ok(response)
}

/// `v1-vehicles-1.0.0.txt` without anything that means something to a header or a file system.
fn file_name(id: &str, version: &str) -> String {
    let safe = |text: &str| -> String {
        let kept = |c: char| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') {
                c
            } else {
                '-'
            }
        };
        text.chars().take(80).map(kept).collect()
    };
    format!("{}-{}.openapi.txt", safe(id), safe(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_breaks_out_of_nothing() {
        assert_eq!(
            file_name("v1-vehicles", "1.0.0"),
            "v1-vehicles-1.0.0.openapi.txt"
        );
        assert_eq!(file_name("a", "\"\r\n../x"), "a----..-x.openapi.txt");
    }
}
