// A service worker that neither takes pages nor hears their messages.
addEventListener("fetch", () => {});
