//! `/apis`: the API Directory, and with `mine=1` the APIs that the chosen organization provides.

use askama::Template;
use portcullis_core::permissions::Action;
use portcullis_registry::wire::{Api, ApiSummary, Directory, Facet, Listed};

use crate::{
    form::{Choice, Form},
    layout::{Section, Shell},
    markdown,
    page::{Answer, Page},
    pages::apis::{Asked, environment_word, lifecycle_pill},
    view::{self, Markup},
};

/// Entries of a page: whole rows of two and of three.
const ENTRIES: &str = "24";
/// Longest description of a card, in characters.
const DESCRIPTION_CHARACTERS: usize = 160;

/// What is asked for in the URL.
struct Filter {
    search: String,
    category: String,
    publisher: String,
    after: String,
}

impl Filter {
    fn of(page: &Page) -> Self {
        let asked = Asked::of(page);
        Self {
            search: asked.get("q"),
            category: asked.get("category"),
            publisher: asked.get("publisher"),
            after: asked.get("after"),
        }
    }

    fn is_any(&self) -> bool {
        !(self.search.is_empty() && self.category.is_empty() && self.publisher.is_empty())
    }

    /// The path of the list with these filters, without a place in it.
    fn path(&self, is_mine: bool) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if is_mine {
            query.append_pair("mine", "1");
        }
        for (name, value) in [
            ("q", &self.search),
            ("category", &self.category),
            ("publisher", &self.publisher),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        match query.finish() {
            query if query.is_empty() => "/apis".to_owned(),
            query => format!("/apis?{query}"),
        }
    }
}

/// Versions of one environment.
struct Versions {
    environment: &'static str,
    versions: String,
}

/// An API in the list.
struct Card {
    path: String,
    name: String,
    publisher: String,
    description: String,
    categories: Vec<String>,
    environments: Vec<Versions>,
    /// How far it has come; `None` while it has no instance.
    lifecycle: Option<Markup>,
    /// Why it can be seen.
    access: Markup,
    /// What its provider alone reads; empty for others.
    apps: String,
}

#[derive(Template)]
#[template(path = "apis/directory.html")]
struct DirectoryPage {
    shell: Shell,
    is_mine: bool,
    cards: Vec<Card>,
    next: Option<String>,
    filter: Filter,
    path: String,
    form: Form,
    categories: Vec<Choice>,
    publishers: Vec<Choice>,
    /// Whether the person may publish here.
    may_publish: bool,
    /// The chosen organization's id, for those who have to tell it to a provider; may be empty.
    organization: String,
    /// How the first API is made on the command line.
    command: String,
}

/// `GET /apis`.
pub(crate) async fn show(page: Page) -> Answer {
    let is_mine = !Asked::of(&page).get("mine").is_empty() && page.organization().is_ok();
    let filter = Filter::of(&page);
    let api = page.api()?;
    let organization = page
        .organization()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut query = vec![("limit", ENTRIES)];
    if !organization.is_empty() {
        query.push(("organization_id", organization.as_str()));
    }
    for (name, value) in [
        ("q", &filter.search),
        ("category", &filter.category),
        ("after", &filter.after),
    ] {
        if !value.is_empty() {
            query.push((name, value));
        }
    }
    let (mut categories, mut publishers) = (Vec::new(), Vec::new());
    let (cards, next) = if is_mine {
        query.extend([
            ("provider_id", organization.as_str()),
            ("include", "summary"),
        ]);
        let listed = api.get::<Listed<Api>>("/v1/apis", &query).await?.value;
        let cards = listed
            .items
            .iter()
            .map(|api| card(api, &api.visibility))
            .collect();
        (cards, listed.next)
    } else {
        query.push(("include", "facets"));
        if !filter.publisher.is_empty() {
            query.push(("provider_id", &filter.publisher));
        }
        let listed = api.get::<Directory>("/v1/directory", &query).await?.value;
        if let Some(facets) = &listed.facets {
            categories = choices("Every category", &facets.categories);
            publishers = choices("Every publisher", &facets.providers);
        }
        let items = listed.items.iter();
        let cards = items.map(|entry| card(&entry.api, &entry.access)).collect();
        (cards, listed.next)
    };
    let title = if is_mine { "My APIs" } else { "API Directory" };
    let form = Form::with([
        ("q", &filter.search),
        ("category", &filter.category),
        ("publisher", &filter.publisher),
    ]);
    page.show(&DirectoryPage {
        shell: page.shell(Section::Apis, title),
        is_mine,
        cards,
        next,
        path: filter.path(is_mine),
        form,
        filter,
        categories,
        publishers,
        may_publish: page.organization().is_ok() && page.may(Action::ManageApis),
        command: format!("portcullis api create --name \"My API\" --organization {organization}"),
        organization,
    })
}

fn choices(every: &str, facets: &[Facet]) -> Vec<Choice> {
    let choice =
        |facet: &Facet| Choice::new(&facet.id, format!("{} ({})", facet.name, facet.count));
    let all = std::iter::once(Choice::new("", every));
    all.chain(facets.iter().map(choice)).collect()
}

fn card(api: &Api, access: &str) -> Card {
    let summary = api.summary.as_ref();
    let apps = summary.and_then(|summary| summary.apps);
    let apps = apps.map(|apps| usize::try_from(apps).unwrap_or(usize::MAX));
    Card {
        path: format!("/apis/{}", api.id),
        name: api.name.clone(),
        publisher: summary.map_or_else(String::new, |summary| summary.organization_name.clone()),
        description: markdown::line(&api.description, DESCRIPTION_CHARACTERS),
        categories: api.categories.clone(),
        environments: summary.map_or_else(Vec::new, environments),
        lifecycle: summary.and_then(foremost),
        access: access_pill(access),
        apps: apps.map_or_else(String::new, |apps| {
            view::count(apps, "app uses it", "apps use it")
        }),
    }
}

fn access_pill(access: &str) -> Markup {
    match access {
        "own" => view::status("neutral", "building", "Yours"),
        "shared" => view::status("neutral", "link", "Shared with you"),
        other => view::pill(other),
    }
}

fn environments(summary: &ApiSummary) -> Vec<Versions> {
    let of = |environment: &&str| {
        let lines = summary
            .instances
            .iter()
            .filter(|line| line.environment == **environment);
        let versions: Vec<&str> = lines.map(|line| line.version.as_str()).collect();
        (!versions.is_empty()).then(|| Versions {
            environment: environment_word(environment),
            versions: versions.join(", "),
        })
    };
    ["production", "test", "dev"]
        .iter()
        .filter_map(of)
        .collect()
}

/// The status of the newest instance of the environment that counts most.
fn foremost(summary: &ApiSummary) -> Option<Markup> {
    let line = ["production", "test", "dev"]
        .iter()
        .find_map(|environment| {
            summary
                .instances
                .iter()
                .rfind(|line| line.environment == *environment)
        })?;
    Some(lifecycle_pill(&line.lifecycle_status, &line.lifecycle_text))
}
