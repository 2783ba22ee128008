// Reading the exporter's JSON, and the names of subjects in the address.

const TIMEOUT_MS = 10_000;

/** A request that brought no data. `absent` says that the exporter answered but doesn't know the thing asked for. */
export class ApiError extends Error {
  constructor(reason, status = 0) {
    super(status ? `HTTP ${status}: ${reason}` : reason);
    this.reason = reason;
    this.absent = status === 400 || status === 404;
  }
}

/**
 * Fetches one endpoint.
 *
 * @param {string} path below api/, relative to the page so that it works behind a path prefix.
 * @param {Record<string, string|number>} [query]
 * @throws {ApiError}
 */
export async function read(path, query = {}) {
  const search = new URLSearchParams(query).toString();
  const address = `api/${path}${search ? `?${search}` : ""}`;
  let response;
  let body;
  try {
    response = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    body = await response.json();
  } catch (error) {
    if (response && !response.ok) throw new ApiError("no reason given", response.status);
    throw new ApiError(failureText(error));
  }
  if (!response.ok) throw new ApiError(body?.error ?? "no reason given", response.status);
  return body;
}

function failureText(error) {
  if (error.name === "TimeoutError") return `no answer within ${TIMEOUT_MS / 1000} s`;
  return error instanceof SyntaxError ? "the answer was not JSON" : "no connection";
}

/** "#/topic/Energy%20%2F%20Oil", as the links of alerts have it. */
export function hashOf({ dimension, key }) {
  return `#/${dimension}/${encodeURIComponent(key)}`;
}

/** The subject that a hash names, or null. "+" reads as a space, as the query escaping of alert templates writes it. */
export function subjectOf(hash) {
  const match = /^#\/?(topic|entity|all)\/(.+)$/s.exec(hash);
  if (!match) return null;
  const text = match[2].replaceAll("+", " ");
  try {
    return { dimension: match[1], key: decodeURIComponent(text) };
  } catch {
    return { dimension: match[1], key: text };
  }
}
