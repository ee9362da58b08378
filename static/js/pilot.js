// Makes pages more comfortable. Everything works without it.

const script = document.querySelector("script[data-design-system]");
document.body.classList.add("js-enabled", "nhsuk-frontend-supported");
import(script.dataset.designSystem).then((designSystem) => designSystem.initAll());

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

const warning = document.getElementById("session-warning");
if (warning) watchSession(warning);

// Says so before the session ends, and offers to go on. The server ends it, whatever happens here.
function watchSession(dialog) {
  const warnFor = Number(dialog.dataset.warnFor);
  const left = dialog.querySelector("[data-left]");
  let endsAt = Date.now() + Number(dialog.dataset.endsIn) * 1000;

  dialog.querySelector("[data-stay-button]").addEventListener("click", async () => {
    const answer = await fetch(dialog.dataset.stay, { headers: { Accept: "application/json" } });
    if (!answer.ok || answer.redirected) return leave();
    endsAt = Date.now() + (await answer.json()).ends_in * 1000;
    dialog.close();
  });
  // Escape means "go on", not "ignore".
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    dialog.querySelector("[data-stay-button]").click();
  });
  setInterval(tick, 1000);

  function tick() {
    const seconds = Math.ceil((endsAt - Date.now()) / 1000);
    if (seconds <= 0) return leave();
    if (seconds > warnFor) return;
    const [text, number] =
      seconds > 60 ? [left.dataset.minutes, Math.ceil(seconds / 60)] : [left.dataset.seconds, Math.ceil(seconds / 10) * 10];
    const words = text.replace("%n", number);
    if (left.textContent !== words) left.textContent = words;
    if (!dialog.open) dialog.showModal();
  }

  function leave() {
    location.assign(dialog.dataset.ended);
  }
}
