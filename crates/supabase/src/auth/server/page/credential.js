"use strict";
// What a device signs, as JSON: for passkeys and security keys on our pages.
const sign = async (options) => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const known = (options.allowCredentials || []).map((one) => ({ ...one, id: bytes(one.id) }));
  const shown = await navigator.credentials.get({
    publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials: known },
  });
  const { clientDataJSON, authenticatorData, signature, userHandle } = shown.response;
  return JSON.stringify({
    id: shown.id, rawId: text(shown.rawId), type: shown.type, clientExtensionResults: shown.getClientExtensionResults(),
    response: {
      clientDataJSON: text(clientDataJSON), authenticatorData: text(authenticatorData), signature: text(signature),
      userHandle: userHandle ? text(userHandle) : null,
    },
  });
};
// Whether credentials of a domain can be used on this page.
const signs = (domain) => Boolean(window.PublicKeyCredential) && (location.hostname === domain || location.hostname.endsWith("." + domain));
