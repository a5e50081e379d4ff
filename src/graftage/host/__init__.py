"""The host side of the plugin system: find plugins, launch them, keep them running, ask them."""
