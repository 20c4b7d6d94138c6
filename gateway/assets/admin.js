// Nobody looks at a page in the background, so it asks for nothing.
document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden && event.target.id === "live") event.preventDefault();
});
