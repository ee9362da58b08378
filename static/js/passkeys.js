// Passkeys need script and a browser that knows them: only then are they offered, and what goes wrong is said in words.
(function () {
  if (!window.PublicKeyCredential) return;
  for (const part of document.querySelectorAll("[data-passkey]")) part.hidden = false;
  for (const part of document.querySelectorAll("[data-without-passkey]")) part.hidden = true;
  document.addEventListener("allauth.error", function (event) {
    event.preventDefault();
    for (const problem of document.querySelectorAll("[data-passkey-problem]")) {
      problem.textContent = problem.dataset.text;
    }
  });
})();
