export { Annotation, END, MemorySaver, START, StateGraph } from "@langchain/langgraph";
