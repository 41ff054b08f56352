"""From text to typed settings: loading, merging, `${env:…}`, errors with line and column, JSON schema."""
