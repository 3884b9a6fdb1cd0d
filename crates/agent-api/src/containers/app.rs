//! Words of the applications of a dev container, as its configuration gives them.

use serde::{Deserialize, Serialize};

/// Which of the usual applications are to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisplayApps {
    /// VS Code.
    pub vscode: bool,
    /// VS Code Insiders.
    pub vscode_insiders: bool,
    /// A terminal in the browser.
    pub web_terminal: bool,
    /// Help with SSH.
    pub ssh_helper: bool,
    /// Help with forwarded ports.
    pub port_forwarding_helper: bool,
}

impl Default for DisplayApps {
    fn default() -> Self {
        Self {
            vscode: true,
            vscode_insiders: false,
            web_terminal: true,
            ssh_helper: true,
            port_forwarding_helper: true,
        }
    }
}

/// An application of a dev container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DevContainerApp {
    /// Its name among the applications.
    pub slug: String,
    /// What starts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Whether its address is outside the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<bool>,
    /// The heading it is shown under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How to tell whether it is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<DevContainerHealthCheck>,
    /// Whether it is not to be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// Address of its icon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// `slim-window` or `tab`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_in: Option<String>,
    /// Its place among the applications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<i64>,
    /// `owner`, `authenticated`, `organization` or `public`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// Whether it is served under a domain of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subdomain: Option<bool>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// How to tell whether an application is well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevContainerHealthCheck {
    /// Seconds between two looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    /// Failed looks until it counts as ill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<i64>,
    /// The address that is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
