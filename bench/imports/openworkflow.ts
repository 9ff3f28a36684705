export { OpenWorkflow } from "openworkflow";
