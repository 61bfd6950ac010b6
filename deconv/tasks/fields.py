"""From the fields of a config to what they name: entries of a table, and the arguments of its builders."""
import inspect

from deconv.errors import UserError


def choose(table, name, field):
  """Returns table[name]; UserError naming what there is when it is missing."""
  if name not in table:
    raise UserError(f"{field} is '{name}'; choose one of: {', '.join(sorted(table))}")
  return table[name]


def choose_fitting(tables, fields):
  """Calls the chosen builder of each table with the fields that it names; a field without effect is refused.

  Args:
    tables: {config field: (its value, {name: builder})}; the builders' defaults are the neutral values of the fields.
    fields: {name: value}, the other fields of the section 'objective'.

  Returns:
    What the builders returned, in the order of `tables`.

  Raises:
    UserError: an unknown name, or a field that no chosen builder takes and that is not at its default.
  """
  chosen = [choose(table, name, field) for field, (name, table) in tables.items()]
  taken = [set(inspect.signature(builder).parameters) for builder in chosen]
  for field in sorted(set(fields) - set().union(*taken)):
    users = [f"{key}='{name}'" for key, (_, table) in tables.items() for name, builder in table.items()
             if field in inspect.signature(builder).parameters]
    defaults = [inspect.signature(builder).parameters[field].default for _, table in tables.values()
                for builder in table.values() if field in inspect.signature(builder).parameters]
    if defaults and fields[field] not in defaults:
      raise UserError(f'objective.{field}={fields[field]} has no effect here (only with {" or ".join(users)}); '
                      f'leave it at {defaults[0]}')
  return [builder(**{name: fields[name] for name in names & set(fields)}) for builder, names in zip(chosen, taken)]


def check_fields(builder, fields, what):
  """Raises UserError when a builder does not know one of the fields of config.model."""
  unknown = sorted(set(fields) - set(inspect.signature(builder).parameters))
  if unknown:
    raise UserError(f'{what} has no field model.{unknown[0]}; start from a config file of that model')
