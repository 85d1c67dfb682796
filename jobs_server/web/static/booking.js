// Says before sending whose reservation is in the way.

export function start([form]) {
  let timer = null;
  let asked = 0;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(check, 300);
  });
  async function check() {
    if (!form.elements.start.value || !form.elements.end.value) return;
    const mine = ++asked;
    const body = new URLSearchParams(new FormData(form));
    body.set("do", "check");
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { "X-Requested-By": "script" } }).catch(() => null);
    if (answer?.ok && mine === asked) form.querySelector("[data-conflict]").textContent = (await answer.json()).fault;
  }
}
