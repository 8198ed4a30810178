//! Role registry: organizations, apps, APIs, subscriptions; management and subscriptions APIs.
