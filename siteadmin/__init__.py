"""siteadmin: uploaded camera pictures turned into a security system people can rely on."""
