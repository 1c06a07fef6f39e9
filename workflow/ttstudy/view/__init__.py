"""The viewer: every problem, response and search tree of a study, served to a browser on this machine alone.

`groups` tells what a study has, `index` what is known of the responses of one group, `picks` which of them are shown,
`rows` reads texts, `trees` search trees, `pages` makes HTML, `site` puts it together, and `server` answers. Nothing
here decides a result.
"""
