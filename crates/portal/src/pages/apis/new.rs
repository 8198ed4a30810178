//! `/apis/new`: the New API form. It works in two steps without scripts: "Check" shows what the specification says
//! and keeps everything, "Create API" makes the API and its first instance.
//!
//! These are two acts of the management API. When the second is refused, the API is there already: the person goes
//! on with the form of a new version of it, filled in with everything, and the Client Secret is shown on the page
//! of the API all the same. Deleting the API instead would burn its id, which stays taken for ever.

use askama::Template;
use portcullis_core::secret::Secret;
use portcullis_registry::{
    in_process::{Answer as ApiAnswer, Management, ManagementError},
    wire::{CreatedApi, InstanceWithWarnings},
};
use serde_json::json;

use super::{
    instances,
    spec_form::{self, Derived},
    target::{self, Reached},
};
use crate::{
    done::effect_line,
    flash::Flash,
    form::{Choice, Form},
    layout::{Section, Shell},
    page::{Answer, Page},
    sent::Sent,
    view,
};

/// Longest description of an API, in characters; one of a specification is cut there.
const DESCRIPTION_CHARACTERS_MAX: usize = 10_000;

#[derive(Template)]
#[template(path = "apis/new.html")]
struct New {
    shell: Shell,
    form: Form,
    namespaces: Vec<Choice>,
    is_operator: bool,
    derived: Option<Derived>,
    reached: Option<Reached>,
    environments: Vec<Choice>,
    lifecycles: Vec<Choice>,
    base_paths: Vec<Choice>,
    visibilities: Vec<Choice>,
    /// Whether the specification names no base path.
    needs_base_path: bool,
}

/// What a step of the form found out.
#[derive(Default)]
struct Step {
    derived: Option<Derived>,
    reached: Option<Reached>,
}

fn visibilities() -> Vec<Choice> {
    vec![
        Choice::new("private", "Private")
            .detailed("Your organization alone, and those you share it with."),
        Choice::new("public", "Public").detailed("Every organization of this installation."),
    ]
}

/// `GET /apis/new`.
pub(crate) async fn form(page: Page) -> Answer {
    let form = Form::with([
        ("environment", "test"),
        ("visibility", "private"),
        ("lifecycle_status", "general_release"),
        ("show_in_directory", "yes"),
        ("base_path_upstream", "keep"),
    ]);
    show(&page, form, Step::default()).await
}

async fn show(page: &Page, form: Form, mut step: Step) -> Answer {
    let organization = page.organization()?;
    let namespaces = spec_form::namespaces(&page.api()?, organization.as_str()).await?;
    if let Some(derived) = &mut step.derived {
        derived.locate(&page.portal().site().gateway_url, &form, &namespaces);
    }
    let derived = step.derived.as_ref();
    let needs_base_path = derived.is_some_and(|d| d.check.usable && d.check.base_path.is_none());
    let template = New {
        needs_base_path,
        shell: page.shell(Section::Apis, "New API").crumb("APIs", "/apis"),
        namespaces: spec_form::namespace_choices(&namespaces),
        is_operator: page.is_operator(),
        derived: step.derived,
        reached: step.reached,
        environments: spec_form::environment_choices(),
        lifecycles: spec_form::lifecycle_choices(),
        base_paths: spec_form::base_path_choices(),
        visibilities: visibilities(),
        form,
    };
    page.show_with(template.form.status(), &template)
}

/// `POST /apis/new`. Sent twice, it makes one API.
pub(crate) async fn submit(page: Page, sent: Sent) -> Answer {
    let form = sent.form();
    let spec = match spec_form::text_of(&sent) {
        Ok(Some(spec)) => spec,
        Ok(None) => {
            let form = form.wrong(
                "spec",
                "Choose a file with the specification, or paste its text.",
            );
            return show(&page, form, Step::default()).await;
        }
        Err(why) => return show(&page, form.wrong("spec", why), Step::default()).await,
    };
    let mut form = form.setting("spec", &spec);
    let api = page.api()?;
    let derived = Derived::of(&api, &spec).await?;
    if form.value("id").is_empty() {
        let id = spec_form::proposed_id(&derived.check.name, &derived.check.version);
        form = form.setting("id", &id);
    }
    if let Some(why) = derived.refusal() {
        form = form.wrong("spec", why);
    }
    let mut step = Step {
        derived: Some(derived),
        reached: None,
    };
    match sent.get("act") {
        "test" => {
            let organization = page.organization()?.to_string();
            let reached = target::reached(&api, &organization, sent.get("target_url")).await?;
            step.reached = Some(reached);
            show(&page, form, step).await
        }
        "create" if !form.is_refused() => create(&page, &sent, (api, form, spec), step).await,
        _ => show(&page, form, step).await,
    }
}

async fn create(
    page: &Page,
    sent: &Sent,
    (api, form, spec): (Management, Form, String),
    step: Step,
) -> Answer {
    let Some(derived) = &step.derived else {
        return show(page, form, step).await;
    };
    let check = &derived.check;
    let description: String = check
        .description
        .chars()
        .take(DESCRIPTION_CHARACTERS_MAX)
        .collect();
    let id = Some(form.value("id")).filter(|id| !id.is_empty());
    let input = json!({
        "organization_id": page.organization()?.to_string(),
        "id": id,
        "name": check.name,
        "description": description,
        "visibility": sent.get("visibility"),
        "categories": check.categories,
    });
    let made = match api
        .post_once::<CreatedApi>("/v1/apis", sent.once(), &input)
        .await
    {
        Ok(made) => made,
        Err(error) => {
            let form = spec_form::refused_as(sent, form, error)?;
            return show(page, form, step).await;
        }
    };
    let (id, name) = (made.value.api.id.clone(), made.value.api.name.clone());
    let secret = made.value.client_secret.clone().map(Secret::from_text);
    let response = match first_instance(&api, sent, (&id, &spec)).await {
        Ok(instance) => {
            let text = said(&name, &instance);
            page.go_saying(&format!("/apis/{}", view::encoded(&id)), &text)
        }
        Err(error) => {
            let form = spec_form::refused_as(sent, form, error)?;
            instances::show_unfinished(page, &id, form, step.derived).await?
        }
    };
    Ok(match secret {
        Some(secret) => page.with_secret(response, &id, &secret),
        None => response,
    })
}

/// The instance has a key of its own, derived from that of the form: sent twice, it is made once as well.
async fn first_instance(
    api: &Management,
    sent: &Sent,
    (id, spec): (&str, &str),
) -> Result<ApiAnswer<InstanceWithWarnings>, ManagementError> {
    let key = format!("{}-instance", sent.once());
    let input = spec_form::new_instance(sent, Some(spec));
    let path = ("/v1/apis/{api_id}/instances", [id]);
    api.post_once::<InstanceWithWarnings>(path, &key, &input)
        .await
}

fn said(name: &str, instance: &ApiAnswer<InstanceWithWarnings>) -> Flash {
    let warnings = &instance.value.warnings;
    let text = format!(
        "{name} is published. {} {}",
        effect_line(instance),
        warnings.join(" ")
    );
    if warnings.is_empty() {
        Flash::success(text.trim_end())
    } else {
        Flash::warning(text.trim_end())
    }
}
