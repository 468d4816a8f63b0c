// Making an account, and signing in and out.

import { call, session } from "./api.js";
import { element, field, form, input } from "./dom.js";

async function signIn(email, password) {
  session.end();
  const refused = { 401: "E-mail address and password do not match." };
  session.begin((await call("POST", "/v1/auth/login", { email, password }, refused)).token);
  location.hash = "#/dashboard";
}

function page(button, passwordIs, hint, submitted, link) {
  const email = input("email", "email", { autocomplete: "username" });
  const password = input("password", "password", { autocomplete: passwordIs, minlength: hint ? 8 : 1 });
  const fields = [
    field("E-mail address", email),
    field("Password", password, hint),
    element("button", {}, button),
  ];
  const made = form({ class: "narrow" }, fields, () => submitted(email.value, password.value));
  return [made, element("p", {}, link)];
}

export async function login() {
  const link = element("a", { href: "#/register" }, "Create an account");
  return page("Sign in", "current-password", "", signIn, link);
}

export async function register() {
  const create = async (email, password) => {
    const refused = {
      409: "This address has an account already. Sign in instead.",
      422: "This account can't be made. Check the address and the password.",
    };
    await call("POST", "/v1/auth/register", { email, password, role: "patient" }, refused);
    await signIn(email, password);
  };
  const link = element("a", { href: "#/login" }, "Sign in");
  return page("Create account", "new-password", "At least 8 characters.", create, link);
}

export async function signOut() {
  await call("POST", "/v1/auth/logout");
  session.end();
  location.hash = "#/login";
}
