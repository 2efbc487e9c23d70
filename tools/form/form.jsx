// The connection specification as a form, by react-jsonschema-form; what Airbyte adds to JSON schema (order, groups,
// secrets, long texts) is told to it in its own words.
import React from "react";
import { createRoot } from "react-dom/client";
import { flushSync } from "react-dom";
import Form from "@rjsf/core";
import validator from "@rjsf/validator-ajv8";
import spec from "../../source_vitess/spec.json";

const schema = spec.connectionSpecification;

// What a person has filled in when the picture is taken: the choices that open the most fields.
const filled = {
  url: "vitess://vtgate.example.com:15991/commerce?mysql_port=15306",
  username: "airbyte",
  password: "not a real one",
  tls: { mode: "verify_identity" },
  tunnel_method: { tunnel_method: "SSH_KEY_AUTH" },
};

function uiOf(node) {
  const ui = {};
  if (node.airbyte_secret && !node.multiline) ui["ui:widget"] = "password";
  if (node.multiline) ui["ui:widget"] = "textarea";
  if (node.const !== undefined) ui["ui:widget"] = "hidden";
  if (node.oneOf) ui.oneOf = node.oneOf.map(uiOf);
  const properties = Object.entries(node.properties ?? {}).sort(([, a], [, b]) => a.order - b.order);
  for (const [name, property] of properties) ui[name] = { ...ui[name], ...uiOf(property) };
  if (properties.length) ui["ui:order"] = [...properties.map(([name]) => name), "*"];
  return ui;
}

function Description({ description }) {
  return <p className="help" dangerouslySetInnerHTML={{ __html: description ?? "" }} />;
}

function Field({ id, label, required, description, children, hidden, schema }) {
  if (hidden) return null;
  const isSection = schema.type === "object" || schema.oneOf;
  const tellsItself = isSection || schema.type === "array" || schema.type === "boolean";
  return (
    <div className="field">
      {!tellsItself && label && (
        <label htmlFor={id}>
          {label}
          {required ? "" : <small>optional</small>}
        </label>
      )}
      {!tellsItself && description}
      {children}
    </div>
  );
}

function Section({ title, description, properties, schema: node, fieldPathId }) {
  if (node === schema || node.groups) {
    return node.groups.map((group) => (
      <section key={group.id}>
        <h2>{group.title}</h2>
        {properties.filter(({ name }) => node.properties[name]?.group === group.id).map(({ content }) => content)}
      </section>
    ));
  }
  return (
    <div>
      {node.oneOf && <h3>{title}</h3>}
      {description && <Description description={description} />}
      {properties.map(({ content }) => content)}
    </div>
  );
}

const templates = { DescriptionFieldTemplate: Description, FieldTemplate: Field, ObjectFieldTemplate: Section };

flushSync(() =>
  createRoot(document.getElementById("form")).render(
    <Form
      schema={schema}
      uiSchema={{ ...uiOf(schema), "ui:submitButtonOptions": { norender: true } }}
      validator={validator}
      formData={filled}
      templates={templates}
      showErrorList={false}
    />,
  ),
);
