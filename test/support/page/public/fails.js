addEventListener("install", (event) => event.waitUntil(Promise.reject(new Error("it cannot be installed"))));
