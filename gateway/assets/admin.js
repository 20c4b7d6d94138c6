// What pages cannot do without a script; all of them work without it.
"use strict";

// The part of a page that is fetched again now and then.
const isLive = (event) => event.detail?.ctx?.sourceElement?.id === "live";

// Nobody looks at a page in the background, so it asks for nothing; once somebody does, at once.
document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden && isLive(event)) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  const live = document.getElementById("live");
  if (!document.hidden && live) htmx.trigger(live, "every");
});

// Says what is away, "gateway" or "redis"; null: all is there.
function lost(what) {
  const box = document.getElementById("lost");
  box.hidden = !what;
  for (const text of box.children) text.hidden = text.dataset.lost !== what;
}

document.addEventListener("htmx:before:response", (event) => {
  if (!isLive(event)) return;
  const { status } = event.detail.ctx.response;
  if (status < 400) return lost(null);
  // What was seen last stays, but who is signed out, or looks at what is gone, is told so.
  event.preventDefault();
  if (status === 403 || status === 404) return location.reload();
  lost(status === 503 ? "redis" : "gateway");
});
document.addEventListener("htmx:error", (event) => {
  if (isLive(event)) lost("gateway");
});

// Times in the reader's own zone; the one of the server's text stays as a hint.
const shown = new Intl.DateTimeFormat(document.documentElement.lang, {
  dateStyle: "medium", timeStyle: "medium",
});
function localize() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = time.dateTime;
    time.textContent = shown.format(at);
  }
}
document.addEventListener("htmx:after:swap", localize);
localize();
