import { DurableError } from "../../src/index.ts";
import { claimMessage, outdatedMessage } from "./serving.ts";

/** A service worker that has not answered by then was not made by `createServiceWorker`, or does not receive messages. */
const answerMs = 5_000;
/** The time to wait until the next version of the service worker takes over or controls this page. */
const takeOverMs = 15_000;

/**
 * Registers the service worker, and resolves when the requests of this page go through one that can answer them.
 *
 * @throws `unsupported` if the browser has no service workers for this page; `invalid_definition` if it rejects the script,
 * or the script does not cover this page; `store_outdated` if the script is older than the database; the reason of the signal
 * when it aborts.
 */
export async function controlled(
  script: string | URL,
  options: RegistrationOptions | undefined,
  signal: AbortSignal,
): Promise<void> {
  const container = serviceWorkers();
  const registration = await registered(container, script, options);
  signal.throwIfAborted();
  if (!location.href.startsWith(registration.scope)) throw notCovered(registration.scope);
  await activated(registration, signal);
  for (;;) {
    const { controller } = container;
    const { active } = registration;
    const answer = await asked(active, signal);
    // The controller may have another scope, or be the previous version.
    const isControlled = controller !== null && controller.scriptURL === active?.scriptURL;
    if (isControlled && answer !== outdatedMessage) return;
    const isFollowed = answer !== outdatedMessage || (await hasNext(registration));
    if (isFollowed && (await changed(container, controller, signal))) continue;
    if (answer === outdatedMessage) {
      throw new DurableError(
        "store_outdated",
        "the service worker is older than the database, which a page has upgraded",
        {
          hint: "deploy the service worker's script together with the pages",
        },
      );
    }
    throw new DurableError("invalid_definition", "the service worker does not control this page", {
      hint: "the script must call `createServiceWorker(…).listen()` when it is first evaluated",
    });
  }
}

function serviceWorkers(): ServiceWorkerContainer {
  const hint =
    "use https or localhost, outside a sandboxed frame; some browsers have no service workers in a private window";
  let container: ServiceWorkerContainer | undefined;
  try {
    container = (globalThis as { navigator?: Partial<Navigator> }).navigator?.serviceWorker;
  } catch (cause) {
    throw new DurableError("unsupported", "service workers are not available to this page", { hint, cause });
  }
  if (container === undefined)
    throw new DurableError("unsupported", "service workers are not available to this page", { hint });
  return container;
}

const scopeHint =
  'serve the script from the root of the site; if it is deeper, send it with the header "Service-Worker-Allowed: /" ' +
  '(in Vite: server: { headers: { "Service-Worker-Allowed": "/" } }) and pass registration: { scope: "/" }';

async function registered(
  container: ServiceWorkerContainer,
  script: string | URL,
  options: RegistrationOptions | undefined,
): Promise<ServiceWorkerRegistration> {
  try {
    return await container.register(script, options);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DurableError("invalid_definition", `the service worker ${script} cannot be registered: ${reason}`, {
      cause,
      hint: `the script must exist, be JavaScript and run without an error; a module needs \`type: "module"\`; ${scopeHint}`,
    });
  }
}

function notCovered(scope: string): DurableError {
  const message = `this page is outside the scope of the service worker, ${scope}`;
  return new DurableError("invalid_definition", message, { hint: scopeHint });
}

/** Resolves when one version is active. */
function activated(registration: ServiceWorkerRegistration, signal: AbortSignal): Promise<void> {
  const version = registration.installing ?? registration.waiting;
  if (registration.active !== null || version === null) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const listening = new AbortController();
    const end = (settle: () => void) => {
      listening.abort();
      settle();
    };
    const look = () => {
      if (version.state === "activating" || version.state === "activated") end(resolve);
      if (version.state !== "redundant") return;
      const error = new DurableError(
        "invalid_definition",
        "the service worker's script failed during its installation",
      );
      end(() => reject(error));
    };
    version.addEventListener("statechange", look, { signal: listening.signal });
    signal.addEventListener("abort", () => end(() => reject(signal.reason)), { signal: listening.signal });
    look();
  });
}

/** True if there is another version of the script than the active one. */
async function hasNext(registration: ServiceWorkerRegistration): Promise<boolean> {
  const isThere = () => registration.installing !== null || registration.waiting !== null;
  // Without a network this is unknown, and counts as no other version.
  if (!isThere()) await registration.update().catch(() => undefined);
  return isThere();
}

/** The answer of the service worker; undefined if there is none in time. */
function asked(version: ServiceWorker | null, signal: AbortSignal): Promise<unknown> {
  const { port1, port2 } = new MessageChannel();
  const heard = new Promise<unknown>((resolve) => {
    port1.onmessage = ({ data }: MessageEvent<unknown>) => resolve(data);
    version?.postMessage(claimMessage, [port2]);
  });
  return within(answerMs, heard, signal).finally(() => port1.close());
}

/** True when another version controls this page; false if none does in time. */
async function changed(
  container: ServiceWorkerContainer,
  before: ServiceWorker | null,
  signal: AbortSignal,
): Promise<boolean> {
  const over = new AbortController();
  const other = new Promise<true>((resolve) => {
    const look = () => {
      if (container.controller !== before) resolve(true);
    };
    container.addEventListener("controllerchange", look, { signal: over.signal });
    look();
  });
  try {
    return (await within(takeOverMs, other, signal)) ?? false;
  } finally {
    over.abort();
  }
}

/** The result of `coming`, or undefined after `ms` milliseconds. Rejects with the reason of the signal when it aborts. */
async function within<T>(ms: number, coming: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  signal.throwIfAborted();
  const over = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve, reject) => {
    timer = setTimeout(() => resolve(undefined), ms);
    signal.addEventListener("abort", () => reject(signal.reason), { signal: over.signal });
  });
  try {
    return await Promise.race([coming, late]);
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}
