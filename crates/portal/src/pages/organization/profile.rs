//! `/organization`: what the organization is called and how to reach it; `/organizations`: which one to act in.

use askama::Template;
use portcullis_core::permissions::Action;
use portcullis_registry::wire::Organization;

use crate::{
    failure::Failure,
    flash::Flash,
    form::Form,
    layout::{Section, Shell, role_word},
    page::{Answer, Page},
    pages::tabs::{self, Tab},
    sent::Sent,
};

const PATH: &str = "/v1/organizations/{organization_id}";
/// Fields of the form, named as the members of the management API.
const FIELDS: [&str; 6] = [
    "name",
    "contact_email",
    "website",
    "phone_number",
    "address",
    "country_code",
];

fn values(of: &Organization) -> [(&'static str, String); 6] {
    let values = [
        &of.name,
        &of.contact_email,
        &of.website,
        &of.phone_number,
        &of.address,
        &of.country_code,
    ];
    std::array::from_fn(|at| {
        let name = FIELDS.get(at).copied().unwrap_or_default();
        (
            name,
            values
                .get(at)
                .map(|value| (*value).clone())
                .unwrap_or_default(),
        )
    })
}

async fn chosen(page: &Page) -> Result<Organization, Failure> {
    let id = page.organization()?.to_string();
    Ok(page
        .api()?
        .get::<Organization>((PATH, [id.as_str()]), &[])
        .await?
        .value)
}

/// What is said of an organization beside its name.
pub(crate) fn facts(of: &Organization) -> [(&'static str, &str); 5] {
    [
        ("Contact email", &of.contact_email),
        ("Website", &of.website),
        ("Phone number", &of.phone_number),
        ("Address", &of.address),
        ("Country", &of.country_code),
    ]
}

#[derive(Template)]
#[template(path = "organization/profile.html")]
struct Profile {
    shell: Shell,
    tabs: Vec<Tab>,
    organization: Organization,
    may_edit: bool,
    role: &'static str,
    is_operator: bool,
}

/// `GET /organization`.
pub(crate) async fn show(page: Page) -> Answer {
    // Operators come here without having chosen one.
    if page.organization().is_err() {
        return Ok(page.go("/organizations"));
    }
    let organization = chosen(&page).await?;
    let who = page.who()?;
    let own = who
        .organizations
        .iter()
        .find(|(id, ..)| id.as_str() == organization.id);
    page.show(&Profile {
        shell: page.shell(Section::Organization, &organization.name),
        tabs: tabs::organization(&page, "/organization"),
        may_edit: page.may(Action::ManageOrganization),
        role: own.map_or("", |(.., role)| role_word(role.as_str())),
        is_operator: page.is_operator(),
        organization,
    })
}

#[derive(Template)]
#[template(path = "organization/edit.html")]
struct Edit {
    shell: Shell,
    form: Form,
}

fn edit_page(page: &Page, form: Form) -> Answer {
    let status = form.status();
    let shell = page.shell(Section::Organization, "Edit profile");
    let shell = shell.crumb("Organization", "/organization");
    page.show_with(status, &Edit { shell, form })
}

/// `GET /organization/edit`.
pub(crate) async fn edit(page: Page) -> Answer {
    let organization = chosen(&page).await?;
    let revision = ("revision", organization.revision.to_string());
    edit_page(
        &page,
        Form::with(values(&organization).into_iter().chain([revision])),
    )
}

/// `POST /organization/edit`.
pub(crate) async fn save(page: Page, sent: Sent) -> Answer {
    let id = page.organization()?.to_string();
    let value = |name: &str| match name {
        "country_code" => sent.get(name).to_uppercase(),
        _ => sent.get(name).to_owned(),
    };
    let input: serde_json::Value = FIELDS
        .iter()
        .map(|name| ((*name).to_owned(), value(name)))
        .collect();
    let api = page.api()?;
    let saved = api.patch::<Organization>((PATH, [id.as_str()]), sent.revision(), &input);
    match saved.await {
        Ok(_) => Ok(page.go_saying("/organization", &Flash::success("The profile was saved."))),
        Err(error) if error.status().as_u16() == 412 => {
            let current = chosen(&page).await?;
            let form = sent
                .form()
                .outdated(Some(current.revision), values(&current));
            edit_page(&page, form)
        }
        Err(error) => edit_page(&page, sent.refused(error)?),
    }
}

/// An organization to act in.
struct Own {
    id: String,
    name: String,
    role: &'static str,
    means: &'static str,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "organization/choose.html")]
struct Choose {
    shell: Shell,
    own: Vec<Own>,
    is_operator: bool,
}

/// `GET /organizations`.
pub(crate) async fn choose(page: Page) -> Answer {
    let who = page.who()?;
    let own = who.organizations.iter().map(|(id, name, role)| Own {
        id: id.to_string(),
        name: name.clone(),
        role: role_word(role.as_str()),
        means: means(role.as_str()),
        is_chosen: who.organization.as_ref() == Some(id),
    });
    page.show(&Choose {
        shell: page.shell(Section::Organization, "Change organization"),
        own: own.collect(),
        is_operator: page.is_operator(),
    })
}

/// What a role may do.
pub(crate) fn means(role: &str) -> &'static str {
    match role {
        "owner" => "Everything, and decides who else is an owner.",
        "admin" => "Manages members, apps, APIs and subscriptions, and reads the audit log.",
        "api_developer" => "Publishes and changes APIs; sees everything else.",
        "app_developer" => "Registers and changes apps and activates them; sees everything else.",
        _ => "Sees everything and changes nothing.",
    }
}
