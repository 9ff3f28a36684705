import { memoryHome } from "./support/http-memory-home.ts";
import { testRoutes } from "./support/http-routes.ts";

testRoutes(memoryHome());
