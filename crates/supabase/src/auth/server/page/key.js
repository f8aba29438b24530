// A security key as second factor on the consent page: at once where the browser lets it, else with the button.
(() => {
  const { domain, options } = document.getElementById("asked").dataset;
  const button = document.getElementById("key");
  const say = (text) => { document.getElementById("said").textContent = text; };
  const show = async () => {
    button.disabled = true;
    button.form.elements.credential.value = await sign(JSON.parse(options));
    button.form.submit();
  };
  const tried = (error) => { button.disabled = false; say(error.message); };
  if (!signs(domain)) {
    button.disabled = true;
    say("Security keys cannot be used at this address.");
    return;
  }
  button.addEventListener("click", () => show().catch(tried));
  show().catch(tried);
})();
