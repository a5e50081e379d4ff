"""Settings, read once into one frozen value. `settings` says which there are, `keys` what each may be, and
`loading` where they come from."""

from graftage.config.loading import (
    CONFIG_VARIABLE,
    OTHER_VARIABLES,
    URL_VARIABLE,
    load_settings,
)
from graftage.config.plugin_table import meant_key
from graftage.config.settings import LOG_FORMATS, LOG_LEVELS, Address, PluginSettings, Settings

__all__ = [
    "CONFIG_VARIABLE",
    "LOG_FORMATS",
    "LOG_LEVELS",
    "OTHER_VARIABLES",
    "URL_VARIABLE",
    "Address",
    "PluginSettings",
    "Settings",
    "load_settings",
    "meant_key",
]
