// A classic script that stands before the modules: it also sees a module that fails to load or to parse.
"use strict";

(() => {
  function report(message) {
    document.body.dataset.pageError = message;
    const notice = document.querySelector('[data-notice="page-error"]');
    notice.textContent = `This page’s script failed: ${message}. What it shows may be wrong or old; reload it.`;
    notice.hidden = false;
  }

  function onError(event) {
    const resource = event.target instanceof HTMLElement ? event.target.src || event.target.href : "";
    if (event.target instanceof HTMLLinkElement && event.target.rel === "icon") return;
    report(resource ? `could not load ${resource}` : String(event.message || "unknown error"));
  }

  // Errors of resources don't bubble, so they are caught on the way down.
  window.addEventListener("error", onError, true);
  window.addEventListener("unhandledrejection", (event) => report(String(event.reason)));
})();
