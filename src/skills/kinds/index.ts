// Kinds of steps that a skill names in `uses`: an app carries those of its own skills.
export { type MapCallback, type MapOptions, type MapOutcome, type MapSteps, maps } from "./maps.ts";
