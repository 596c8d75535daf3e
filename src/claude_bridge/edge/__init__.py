"""The downstream side: Klein routes, the stream to the client, errors, credentials, the site."""
