// The API as this browser uses it; every problem is an error with a sentence for people.

const PATIENCE_MS = 10_000;
const UNREACHABLE = "The service is unreachable. Try again in a few minutes.";
export const EXPIRED = "Your session has expired. Sign in again.";

export class ApiError extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
    this.sentence = sentence;
  }
}

export const session = {
  get token() { return sessionStorage.getItem("token"); },
  begin(token) { sessionStorage.setItem("token", token); },
  end() { sessionStorage.removeItem("token"); },
};

// `refusals` says by status what a refusal means here.
export async function call(method, path, body, refusals = {}) {
  const headers = { Accept: "application/json" };
  const token = session.token;
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  let answer;
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    answer = await fetch(path, { method, headers, signal, body: body && JSON.stringify(body) });
    if (answer.ok) return answer.status === 204 ? null : await answer.json();
  } catch {
    throw new ApiError(0, UNREACHABLE);
  }
  if (answer.status >= 500) throw new ApiError(answer.status, UNREACHABLE);
  if (answer.status === 401 && token) expired(token);
  throw new ApiError(answer.status, refusals[answer.status] ?? "That did not work. Check what you entered.");
}

// Several calls of a page may find out; the first one tells.
function expired(token) {
  if (session.token === token) {
    session.end();
    dispatchEvent(new Event("session-expired"));
  }
  throw new ApiError(401, EXPIRED);
}
